"""GRU: r, z = sigmoid(x w_x + h w_h + b); n = tanh(x w_x + b + r (h w_h + b_h)); h_t = (1 - z) n + z h_(t-1).

The candidate needs its products with x and with h apart: the columns are [n of x | r | z | n of h]. The first reads
[1 | x] of the sources, the last [h | 1], r and z all of them; hence the 1 in the middle, which serves either side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import add_to, copy, pack, pack_row, product, size_of
from lamina.backends.numba.engine.elements import sigmoid, squash
from lamina.backends.numba.engine.forms.one_row import add_state_product, make_inference, project
from lamina.backends.numba.engine.forms.passes import drop, make_passes
from lamina.backends.numba.engine.forms.recurrent import RecurrentForm
from lamina.backends.numba.engine.memory import array_at, compiled, separate, uint
from lamina.backends.numba.engine.products import COLUMNS

__all__ = ["GRUForm", "add_taken", "panels", "whole_of"]

_COLUMNS32, _COLUMNS64 = COLUMNS["float32"], COLUMNS["float64"]


class GRUForm(RecurrentForm):
    """The gated recurrent unit whose reset gate multiplies the product."""

    gates = 4
    carries = True

    def places(self, features: int, units: int) -> tuple[int, int, int]:
        """Return where x, h and 1 stand: h first, and 1 in the middle."""
        return units + 1, 0, units


@compiled
def panels(columns: Any, dtype: Any) -> Any:
    """Return how many columns are packed for so many."""
    wide = _COLUMNS32 if size_of(dtype) == 4 else _COLUMNS64
    return (columns + wide - 1) // wide * wide


@compiled
def whole_of(p: Any, s: Any, dtype: Any) -> Any:
    """Return where, in a step's sources, h begins as no mask has met it."""
    return s + size_of(dtype) * p.whole_at


@compiled
def add_taken(p: Any, rows: Any, dtype: Any) -> None:
    """Add the gradient of what products took of h, which lies in ``spare``, to that of h."""
    if p.mask != 0:
        drop(p, rows, p.units, p.spare, dtype)
    add_to(rows * p.units, p.spare, p.dh, dtype)


@compiled
def _pack_forward(p: Any, dtype: Any) -> None:
    u, f, size, wide = p.units, p.features, size_of(dtype), p.wide
    candidate = 2 * size * u  # in a row of weights
    gates = p.packed + size * panels(u, dtype) * (f + 1)
    inner = gates + size * panels(2 * u, dtype) * p.depth
    pack(1, u, p.b + candidate, wide, 1, p.packed, 0, f + 1, dtype)
    pack(f, u, p.w_x + candidate, wide, 1, p.packed, 1, f + 1, dtype)
    pack(u, 2 * u, p.w_h, wide, 1, gates, 0, p.depth, dtype)
    pack(1, 2 * u, p.b, wide, 1, gates, u, p.depth, dtype)
    pack(f, 2 * u, p.w_x, wide, 1, gates, u + 1, p.depth, dtype)
    pack(u, u, p.w_h + candidate, wide, 1, inner, 0, u + 1, dtype)
    pack(1, u, p.b_h, wide, 1, inner, u, u + 1, dtype)


@compiled
def _products(p: Any, rows: Any, s: Any, g: Any, dtype: Any) -> None:
    u, f, n, size = p.units, p.features, p.columns, size_of(dtype)
    gates = p.packed + size * panels(u, dtype) * (f + 1)
    inner = gates + size * panels(2 * u, dtype) * p.depth
    product(rows, u, f + 1, s + size * u, p.stride, 1, p.packed, 0, f + 1, g, n, 0, dtype)
    product(rows, 2 * u, p.depth, s, p.stride, 1, gates, 0, p.depth, g + size * u, n, 0, dtype)
    product(rows, u, u + 1, s, p.stride, 1, inner, 0, u + 1, g + 3 * size * u, n, 0, dtype)


@compiled
def _activate(
    rows: Any, units: Any, s_stride: Any, stride: Any, half: Any, n: Any, r: Any, z: Any, inner: Any, before: Any,
    h: Any,
) -> None:  # fmt: skip
    separate()
    for row in range(rows):
        at, own, out = 4 * units * row, s_stride * row, stride * row
        for k in range(units):
            gate = uint(at + k)
            reset, keep = sigmoid(r[gate], half), sigmoid(z[gate], half)
            new = squash(n[gate] + reset * inner[gate])
            r[gate], z[gate], n[gate] = reset, keep, new
            h[uint(out + k)] = new + keep * (before[uint(own + k)] - new)


@compiled
def _step(
    p: Any, t: Any, row: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, h: Any, stride: Any, dtype: Any
) -> None:
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    _activate(
        rows, u, p.stride, stride, dtype(0.5),
        array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(whole_of(p, s, dtype), rows * p.stride, dtype),
        array_at(h, rows * stride, dtype),
    )  # fmt: skip


@compiled
def _slopes(
    rows: Any, units: Any, stride: Any, one: Any, n: Any, r: Any, z: Any, inner: Any, before: Any, dh: Any
) -> None:
    separate()
    for row in range(rows):
        at, own, state = 4 * units * row, units * row, stride * row
        for k in range(units):
            gate, unit = uint(at + k), uint(own + k)
            new, reset, keep, d = n[gate], r[gate], z[gate], dh[unit]
            slope = d * (one - keep) * (one - new * new)
            n[gate] = slope
            r[gate] = slope * inner[gate] * reset * (one - reset)
            z[gate] = d * (before[uint(state + k)] - new) * keep * (one - keep)
            inner[gate] = slope * reset
            dh[unit] = d * keep


@compiled
def _pack_backward(p: Any, dtype: Any) -> None:
    u, f, wide, size = p.units, p.features, p.wide, size_of(dtype)
    pack(3 * u, u, p.w_h, 1, wide, p.back, 0, 3 * u, dtype)
    if p.dx != 0:
        pack(u, f, p.w_x + 2 * size * u, 1, wide, p.back_x, 0, 3 * u, dtype)
        pack(2 * u, f, p.w_x, 1, wide, p.back_x, u, 3 * u, dtype)


@compiled
def _step_back(p: Any, t: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, dtype: Any) -> None:
    u, n, much, wide = p.units, p.columns, rows * p.columns, size_of(dtype) * p.units
    _slopes(
        rows, u, p.stride, dtype(1),
        array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(whole_of(p, s, dtype), rows * p.stride, dtype),
        array_at(p.dh, rows * u, dtype),
    )  # fmt: skip
    if t == 0 and p.dh_first == 0:
        return
    if p.mask == 0:
        product(rows, u, 3 * u, g + wide, n, 1, p.back, 0, 3 * u, p.dh, u, 1, dtype)
    else:
        product(rows, u, 3 * u, g + wide, n, 1, p.back, 0, 3 * u, p.spare, u, 0, dtype)
        add_taken(p, rows, dtype)


@compiled
def _finish(p: Any, rows: Any, s: Any, g: Any, dx: Any, dtype: Any) -> None:
    u, f, n, size, wide = p.units, p.features, p.columns, size_of(dtype), p.wide
    x, gates = s + size * (u + 1), g + size * u
    pack(rows, 3 * u, gates, n, 1, p.chunk, 0, rows, dtype)  # r, z, n of h
    if p.dw_h != 0:
        product(u, 3 * u, rows, s, 1, p.stride, p.chunk, 0, rows, p.dw_h, wide, 1, dtype)
    if p.db != 0 or p.db_h != 0:
        product(1, 3 * u, rows, s + size * u, 1, p.stride, p.chunk, 0, rows, p.row, 3 * u, 0, dtype)
        if p.db != 0:
            add_to(2 * u, p.row, p.db, dtype)
        if p.db_h != 0:
            add_to(u, p.row + 2 * size * u, p.db_h, dtype)
    if p.dw_x != 0:
        product(f, 2 * u, rows, x, 1, p.stride, p.chunk, 0, rows, p.dw_x, wide, 1, dtype)
    if p.dw_x != 0 or p.db != 0:
        pack(rows, u, g, n, 1, p.chunk, 0, rows, dtype)  # n of x
        if p.dw_x != 0:
            product(f, u, rows, x, 1, p.stride, p.chunk, 0, rows, p.dw_x + 2 * size * u, wide, 1, dtype)
        if p.db != 0:
            product(1, u, rows, s + size * u, 1, p.stride, p.chunk, 0, rows, p.db + 2 * size * u, u, 1, dtype)
    if dx != 0:
        product(rows, f, 3 * u, g, n, 1, p.back_x, 0, 3 * u, dx, f, 0, dtype)


@compiled
def _projected(p: Any, rows: Any, dtype: Any) -> None:
    u, size = p.units, size_of(dtype)
    project(p, rows, 2 * u, p.w_x, p.b, p.gates + size * u, dtype)
    project(p, rows, u, p.w_x + 2 * size * u, p.b + 2 * size * u, p.gates, dtype)
    for k in range(rows):
        copy(u, p.b_h, p.gates + size * (k * p.columns + 3 * u), dtype)


@compiled
def _pack_state(p: Any, packed: Any, dtype: Any) -> None:
    pack_row(p.units, 3 * p.units, p.w_h, p.wide, packed, dtype)


@compiled
def _add_state(p: Any, h: Any, g: Any, packed: Any, backwards: Any, dtype: Any) -> None:
    u = p.units
    add_state_product(u, 3 * u, h, p.w_h, p.wide, packed, backwards, g + size_of(dtype) * u, dtype)


_forward, _backward = make_passes(_pack_forward, _products, _step, _pack_backward, _step_back, _finish)
_infer = make_inference(_projected, _pack_state, _add_state, _step)


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
