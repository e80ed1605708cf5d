"""LSTM with a projection: the gates are the LSTM's, and h_t = (o tanh(c_t)) w_p, of a size of its own.

A row of gates goes on with what the gates let out, and on the way back with the gradient of h: the gradient of w_p is
one product of the two, over many steps at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import clear, copy, pack, product, size_of
from lamina.backends.numba.engine.forms.lstm import LSTMForm, open_gates, pull_gates
from lamina.backends.numba.engine.forms.one_row import add_row_product
from lamina.backends.numba.engine.forms.plain_gates import (
    finish,
    make_cell,
    pack_backward,
    pack_forward,
    pull_back,
)
from lamina.backends.numba.engine.memory import array_at, compiled
from lamina.backends.numba.engine.products import packed_size
from lamina.backends.numba.engine.room import Room, Task
from lamina.backends.program import Call

__all__ = ["ProjectedLSTMForm"]


class ProjectedLSTMForm(LSTMForm):
    """Long short-term memory whose output, and state h, is projected."""

    def columns(self, units: int, inner: int) -> int:
        """Return how many columns a row has: of the gates, of what they let out, and of the gradient of h."""
        return (self.gates + 1) * inner + units

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        units, inner = (int(self.record[name][0]) for name in ("units", "inner"))
        self.record["w_p"] = room.weights(call.weights["w_p"])
        self.record["packed_p"] = room.floats(packed_size(inner, units, room.dtype))

    def backward(self) -> list[Task]:
        """Return the one task."""
        tasks = super().backward()
        if tasks:
            room, record = self.room, self.record
            units, inner = (int(record[name][0]) for name in ("units", "inner"))
            record["dw_p"] = room.gradient_of(self.call.weights["w_p"])
            record["back_p"] = room.floats(packed_size(units, inner, room.dtype))
            record["dout"] = room.floats(room.rows * inner)
        return tasks


@compiled
def _pack_forward(p: Any, dtype: Any) -> None:
    pack_forward(p, dtype)
    pack(p.inner, p.units, p.w_p, p.units, 1, p.packed_p, 0, p.inner, dtype)


@compiled
def _let_out(p: Any, rows: Any, g: Any, c_before: Any, c_after: Any, dtype: Any) -> Any:
    """Turn products into gates; write c, and beside the gates o tanh(c). Return where that begins."""
    v, much, wide = p.inner, rows * p.columns, size_of(dtype) * p.inner
    open_gates(
        rows, v, p.columns, p.columns, dtype(0.5),
        array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(c_before, rows * v, dtype), array_at(c_after, rows * v, dtype),
        array_at(g + 4 * wide, much, dtype),
    )  # fmt: skip
    return g + 4 * wide


@compiled
def _step(
    p: Any, t: Any, row: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, h: Any, stride: Any, dtype: Any
) -> None:
    out = _let_out(p, rows, g, c_before, c_after, dtype)
    product(rows, p.units, p.inner, out, p.columns, 1, p.packed_p, 0, p.inner, h, stride, 0, dtype)


@compiled
def _step_of_row(
    p: Any, t: Any, row: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, h: Any, stride: Any, dtype: Any
) -> None:
    out = _let_out(p, rows, g, c_before, c_after, dtype)
    clear(p.units, h, dtype)
    add_row_product(p.inner, p.units, out, p.w_p, p.units, h, dtype)


@compiled
def _pack_backward(p: Any, dtype: Any) -> None:
    pack_backward(p, dtype)
    pack(p.units, p.inner, p.w_p, 1, p.units, p.back_p, 0, p.units, dtype)


@compiled
def _step_back(p: Any, t: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, dtype: Any) -> None:
    u, v, size = p.units, p.inner, size_of(dtype)
    much, wide = rows * p.columns, size * v
    if p.dw_p != 0:
        for k in range(rows):
            copy(u, p.dh + size * k * u, g + size * (k * p.columns + 5 * v), dtype)
    product(rows, v, u, p.dh, u, 1, p.back_p, 0, u, p.dout, v, 0, dtype)
    pull_gates(
        rows, v, p.columns, dtype(1),
        array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(c_before, rows * v, dtype), array_at(c_after, rows * v, dtype),
        array_at(p.dout, rows * v, dtype), array_at(p.dc, rows * v, dtype),
    )  # fmt: skip
    pull_back(p, rows, g, t == 0, dtype)


@compiled
def _finish(p: Any, rows: Any, s: Any, g: Any, dx: Any, dtype: Any) -> None:
    finish(p, rows, s, g, dx, dtype)
    if p.dw_p != 0:
        out = g + 4 * size_of(dtype) * p.inner
        dh = out + size_of(dtype) * p.inner
        pack(rows, p.units, dh, p.columns, 1, p.chunk, 0, rows, dtype)
        product(p.inner, p.units, rows, out, 1, p.columns, p.chunk, 0, rows, p.dw_p, p.units, 1, dtype)


_forward, _backward, _infer = make_cell(
    _step,
    _step_back,
    pack_forward=_pack_forward,
    pack_backward=_pack_backward,
    finish=_finish,
    step_of_row=_step_of_row,
)


def forward_float32(address: Any) -> None:
    """Run over all steps."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Run over all steps."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Run back over all steps."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Run back over all steps."""
    _backward(address, np.float64)


def infer_float32(address: Any) -> None:
    """Run over all steps of few rows, keeping nothing."""
    _infer(address, np.float32)


def infer_float64(address: Any) -> None:
    """Run over all steps of few rows, keeping nothing."""
    _infer(address, np.float64)
