"""IndRNN: h_t = relu, or tanh, of x_t w_x + w_h h_(t-1) + b, the second product element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import add_to, clear
from lamina.backends.numba.engine.elements import squash
from lamina.backends.numba.engine.forms.scan import ScanForm, scan_fields
from lamina.backends.numba.engine.forms.scan_passes import GATED, make_scans
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, uint
from lamina.backends.numba.engine.room import Task

__all__ = ["IndRNNForm"]


class IndRNNForm(ScanForm):
    """The independently recurrent layer; ``sums`` are those of w_h's gradient of a chunk."""

    names = ("w_x", "w_h", "b")
    further = "sums"

    def backward(self) -> list[Task]:
        """Return the one task."""
        self.record["sums"] = self.room.floats(int(self.record["units"][0]))
        return super().backward()


@compiled
def _add(rows: Any, units: Any, relu: Any, w: Any, b: Any, before: Any, after: Any) -> None:
    separate()
    for row in range(rows):
        own = units * row
        if relu:
            for k in range(units):
                state = uint(own + k)
                a = after[state] + b[k] + w[k] * before[state]
                after[state] = a if a > 0 or a != a else after.dtype.type(0)
        else:
            for k in range(units):
                state = uint(own + k)
                after[state] = squash(after[state] + b[k] + w[k] * before[state])


@compiled
def _step(p: Any, rows: Any, g: Any, before: Any, after: Any, dtype: Any) -> None:
    u = p.units
    _add(
        rows, u, p.relu != 0, array_at(p.w_h, u, dtype), array_at(p.b, u, dtype), array_at(before, rows * u, dtype),
        array_at(after, rows * u, dtype),
    )  # fmt: skip


@compiled
def _slopes(
    rows: Any, units: Any, relu: Any, one: Any, w: Any, before: Any, after: Any, carried: Any, da: Any, sums: Any
) -> None:
    separate()
    for row in range(rows):
        own = units * row
        for k in range(units):
            state = uint(own + k)
            h, d = after[state], carried[state]
            d *= (one if h > 0 else one - one) if relu else one - h * h
            da[state], carried[state] = d, d * w[k]
            sums[k] += d * before[state]


@compiled
def _step_back(
    p: Any, rows: Any, g: Any, before: Any, after: Any, carried: Any, dy: Any, da: Any, dtype: Any
) -> None:  # fmt: skip
    u = p.units
    if dy != 0:
        add_to(rows * u, dy, carried, dtype)
    _slopes(
        rows, u, p.relu != 0, dtype(1), array_at(p.w_h, u, dtype), array_at(before, rows * u, dtype),
        array_at(after, rows * u, dtype), array_at(carried, rows * u, dtype), array_at(da, rows * u, dtype),
        array_at(p.sums, u, dtype),
    )  # fmt: skip


@compiled
def _enter_back(p: Any, at: Any, rows: Any, dtype: Any) -> None:
    clear(p.units, p.sums, dtype)


_finish_gates = GATED.finish


@compiled
def _finish(p: Any, at: Any, rows: Any, dtype: Any) -> None:
    if p.dw_h != 0:
        add_to(p.units, p.sums, p.dw_h, dtype)
    _finish_gates(p, at, rows, dtype)


_scan = GATED._replace(enter_back=_enter_back, finish=_finish)
_forward, _backward = make_scans(record_at(scan_fields(IndRNNForm)), _step, _step_back, _scan)


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
