"""MinGRU: z = sigmoid and c = the products of x_t w_x + b; h_t = (1 - z) h_(t-1) + z c."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import add_to, size_of
from lamina.backends.numba.engine.elements import squash
from lamina.backends.numba.engine.forms.scan import ScanForm, scan_fields
from lamina.backends.numba.engine.forms.scan_passes import make_scans
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, uint

__all__ = ["MinGRUForm"]


class MinGRUForm(ScanForm):
    """The minimal GRU; its gates lie in the order z, c."""

    wide = 2
    columns = 2


@compiled
def _mix(rows: Any, units: Any, half: Any, z: Any, c: Any, z_bias: Any, c_bias: Any, before: Any, after: Any) -> None:
    separate()
    for row in range(rows):
        at, own = 2 * units * row, units * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            share, new = half * squash(half * (z[gate] + z_bias[k])), c[gate] + c_bias[k]
            opened = half + share
            z[gate], c[gate], after[state] = opened, new, (half - share) * before[state] + opened * new


@compiled
def _step(p: Any, rows: Any, g: Any, before: Any, after: Any, dtype: Any) -> None:
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    _mix(
        rows, u, dtype(0.5), array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(p.b, u, dtype),
        array_at(p.b + wide, u, dtype), array_at(before, rows * u, dtype), array_at(after, rows * u, dtype),
    )  # fmt: skip


@compiled
def _slopes(
    rows: Any, units: Any, one: Any, z: Any, c: Any, before: Any, carried: Any, dz: Any, dc: Any
) -> None:  # fmt: skip
    separate()
    for row in range(rows):
        at, own = 2 * units * row, units * row
        for k in range(units):
            gate, state = uint(at + k), uint(own + k)
            opened, new, d = z[gate], c[gate], carried[state]
            by = d * opened
            dz[gate], dc[gate] = by * (one - opened) * (new - before[state]), by
            carried[state] = d - by


@compiled
def _step_back(
    p: Any, rows: Any, g: Any, before: Any, after: Any, carried: Any, dy: Any, da: Any, dtype: Any
) -> None:  # fmt: skip
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    if dy != 0:
        add_to(rows * u, dy, carried, dtype)
    _slopes(
        rows, u, dtype(1), array_at(g, much, dtype), array_at(g + wide, much, dtype),
        array_at(before, rows * u, dtype), array_at(carried, rows * u, dtype), array_at(da, much, dtype),
        array_at(da + wide, much, dtype),
    )  # fmt: skip


_forward, _backward = make_scans(record_at(scan_fields(MinGRUForm)), _step, _step_back)


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
