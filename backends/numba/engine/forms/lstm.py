"""LSTM: i, f, o = sigmoid, g = tanh of x_t w_x + h_(t-1) w_h + b; c_t = f c_(t-1) + i g; h_t = o tanh(c_t)."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import size_of
from lamina.backends.numba.engine.elements import sigmoid, squash
from lamina.backends.numba.engine.forms.plain_gates import make_cell, pull_back
from lamina.backends.numba.engine.forms.recurrent import RecurrentForm
from lamina.backends.numba.engine.memory import array_at, compiled, separate, uint

__all__ = ["LSTMForm", "open_gates", "pull_gates"]


class LSTMForm(RecurrentForm):
    """Long short-term memory; its gates lie in the order i, f, g, o."""

    gates = 4
    cells = 1


@compiled
def open_gates(
    rows: Any, units: Any, columns: Any, stride: Any, half: Any, i: Any, f: Any, n: Any, o: Any, before: Any,
    after: Any, h: Any,
) -> None:  # fmt: skip
    """Turn products into gates, rows of so many ``columns``; write c and, rows a ``stride`` apart, o tanh(c)."""
    separate()
    for row in range(rows):
        at, own, out = columns * row, units * row, stride * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            open_i, open_f, open_o = sigmoid(i[gate], half), sigmoid(f[gate], half), sigmoid(o[gate], half)
            new = squash(n[gate])
            c = open_f * before[state] + open_i * new
            i[gate], f[gate], n[gate], o[gate], after[state] = open_i, open_f, new, open_o, c
            h[uint(out + k)] = open_o * squash(c)


@compiled
def _step(
    p: Any, t: Any, row: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, h: Any, stride: Any, dtype: Any
) -> None:
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    open_gates(
        rows, u, p.columns, stride, dtype(0.5),
        array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(c_before, rows * u, dtype), array_at(c_after, rows * u, dtype),
        array_at(h, rows * stride, dtype),
    )  # fmt: skip


@compiled
def pull_gates(
    rows: Any, units: Any, columns: Any, one: Any, i: Any, f: Any, n: Any, o: Any, before: Any, after: Any, dh: Any,
    dc: Any,
) -> None:  # fmt: skip
    """Turn gates into their gradients, and dc after a step into that before; ``dh`` is that of o tanh(c)."""
    separate()
    for row in range(rows):
        at, own = columns * row, units * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            open_i, open_f, new, open_o = i[gate], f[gate], n[gate], o[gate]
            t, d = squash(after[state]), dh[state]
            c = dc[state] + d * open_o * (one - t * t)
            i[gate] = c * new * open_i * (one - open_i)
            f[gate] = c * before[state] * open_f * (one - open_f)
            n[gate] = c * open_i * (one - new * new)
            o[gate] = d * t * open_o * (one - open_o)
            dc[state] = c * open_f


@compiled
def _step_back(p: Any, t: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, dtype: Any) -> None:
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    pull_gates(
        rows, u, p.columns, dtype(1),
        array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(c_before, rows * u, dtype), array_at(c_after, rows * u, dtype),
        array_at(p.dh, rows * u, dtype), array_at(p.dc, rows * u, dtype),
    )  # fmt: skip
    pull_back(p, rows, g, t == 0, dtype)


_forward, _backward, _infer = make_cell(_step, _step_back)


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
