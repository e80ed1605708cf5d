"""GRU, the reset gate first: r, z = sigmoid(x w_x + h w_h + b); n = tanh(x w_x + (r h) w_h + b); h = (1 - z) n + z h.

The candidate's product waits for r. A row of sources is [h | 1 | x | r h]: r and z read [h | 1 | x], the candidate
[1 | x | r h].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import add_to, pack, pack_row, product, size_of
from lamina.backends.numba.engine.elements import sigmoid, squash
from lamina.backends.numba.engine.forms.gru import add_taken, panels, whole_of
from lamina.backends.numba.engine.forms.one_row import add_state_product, make_inference, project
from lamina.backends.numba.engine.forms.passes import make_passes
from lamina.backends.numba.engine.forms.recurrent import RecurrentForm
from lamina.backends.numba.engine.memory import array_at, compiled, separate, uint

__all__ = ["ResetFirstGRUForm"]


class ResetFirstGRUForm(RecurrentForm):
    """The gated recurrent unit whose reset gate multiplies the state."""

    gates = 3
    carries = True

    def places(self, features: int, units: int) -> tuple[int, int, int]:
        """Return where x, h and 1 stand: h first, and 1 in the middle."""
        return units + 1, 0, units

    def beside(self, units: int) -> int:
        """Return how many columns r h has."""
        return units


@compiled
def _pack_forward(p: Any, dtype: Any) -> None:
    u, f, size, wide = p.units, p.features, size_of(dtype), p.wide
    candidate = 2 * size * u  # in a row of weights
    inner = p.packed + size * panels(2 * u, dtype) * p.depth
    pack(u, 2 * u, p.w_h, wide, 1, p.packed, 0, p.depth, dtype)
    pack(1, 2 * u, p.b, wide, 1, p.packed, u, p.depth, dtype)
    pack(f, 2 * u, p.w_x, wide, 1, p.packed, u + 1, p.depth, dtype)
    pack(1, u, p.b + candidate, wide, 1, inner, 0, p.depth, dtype)
    pack(f, u, p.w_x + candidate, wide, 1, inner, 1, p.depth, dtype)
    pack(u, u, p.w_h + candidate, wide, 1, inner, 1 + f, p.depth, dtype)


@compiled
def _reset(rows: Any, units: Any, stride: Any, half: Any, r: Any, taken: Any, product: Any) -> None:
    separate()
    for row in range(rows):
        at, own = 3 * units * row, stride * row
        for k in range(units):
            reset = sigmoid(r[uint(at + k)], half)
            r[uint(at + k)] = reset
            product[uint(own + k)] = reset * taken[uint(own + k)]


@compiled
def _products(p: Any, rows: Any, s: Any, g: Any, dtype: Any) -> None:
    u, n, size, depth = p.units, p.columns, size_of(dtype), p.depth
    product(rows, 2 * u, depth, s, p.stride, 1, p.packed, 0, depth, g, n, 0, dtype)
    _reset(
        rows, u, p.stride, dtype(0.5), array_at(g, rows * n, dtype), array_at(s, rows * p.stride, dtype),
        array_at(s + size * depth, rows * p.stride, dtype),
    )  # fmt: skip
    inner = p.packed + size * panels(2 * u, dtype) * depth
    product(rows, u, depth, s + size * u, p.stride, 1, inner, 0, depth, g + 2 * size * u, n, 0, dtype)


@compiled
def _activate(
    rows: Any, units: Any, s_stride: Any, stride: Any, half: Any, z: Any, n: Any, before: Any, h: Any
) -> None:
    separate()
    for row in range(rows):
        at, own, out = 3 * units * row, s_stride * row, stride * row
        for k in range(units):
            gate = uint(at + k)
            keep, new = sigmoid(z[gate], half), squash(n[gate])
            z[gate], n[gate] = keep, new
            h[uint(out + k)] = new + keep * (before[uint(own + k)] - new)


@compiled
def _step(
    p: Any, t: Any, row: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, h: Any, stride: Any, dtype: Any
) -> None:
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    _activate(
        rows, u, p.stride, stride, dtype(0.5), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(whole_of(p, s, dtype), rows * p.stride, dtype), array_at(h, rows * stride, dtype),
    )  # fmt: skip


@compiled
def _slopes(rows: Any, units: Any, stride: Any, one: Any, z: Any, n: Any, before: Any, dh: Any) -> None:
    separate()
    for row in range(rows):
        at, own, state = 3 * units * row, units * row, stride * row
        for k in range(units):
            gate, unit = uint(at + k), uint(own + k)
            keep, new, d = z[gate], n[gate], dh[unit]
            n[gate] = d * (one - keep) * (one - new * new)
            z[gate] = d * (before[uint(state + k)] - new) * keep * (one - keep)
            dh[unit] = d * keep


@compiled
def _slopes_of_reset(rows: Any, units: Any, stride: Any, one: Any, r: Any, taken: Any, product: Any) -> None:
    separate()
    for row in range(rows):
        at, own, state = 3 * units * row, units * row, stride * row
        for k in range(units):
            gate, unit = uint(at + k), uint(own + k)
            reset, d = r[gate], product[unit]
            r[gate] = d * taken[uint(state + k)] * reset * (one - reset)
            product[unit] = d * reset


@compiled
def _pack_backward(p: Any, dtype: Any) -> None:
    u, wide, size = p.units, p.wide, size_of(dtype)
    pack(u, u, p.w_h + 2 * size * u, 1, wide, p.back, 0, u, dtype)
    pack(2 * u, u, p.w_h, 1, wide, p.back + size * panels(u, dtype) * u, 0, 2 * u, dtype)
    if p.dx != 0:
        pack(3 * u, p.features, p.w_x, 1, wide, p.back_x, 0, 3 * u, dtype)


@compiled
def _step_back(p: Any, t: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, dtype: Any) -> None:
    u, n, size, much = p.units, p.columns, size_of(dtype), rows * p.columns
    z, new, taken = g + size * u, g + 2 * size * u, array_at(s, rows * p.stride, dtype)
    _slopes(
        rows, u, p.stride, dtype(1), array_at(z, much, dtype), array_at(new, much, dtype),
        array_at(whole_of(p, s, dtype), rows * p.stride, dtype), array_at(p.dh, rows * u, dtype),
    )  # fmt: skip
    product(rows, u, u, new, n, 1, p.back, 0, u, p.spare, u, 0, dtype)
    _slopes_of_reset(rows, u, p.stride, dtype(1), array_at(g, much, dtype), taken, array_at(p.spare, rows * u, dtype))
    if t > 0 or p.dh_first != 0:
        gates = p.back + size * panels(u, dtype) * u
        product(rows, u, 2 * u, g, n, 1, gates, 0, 2 * u, p.spare, u, 1, dtype)
        add_taken(p, rows, dtype)


@compiled
def _finish(p: Any, rows: Any, s: Any, g: Any, dx: Any, dtype: Any) -> None:
    u, f, n, size, wide = p.units, p.features, p.columns, size_of(dtype), p.wide
    ones, x, candidate = s + size * u, s + size * (u + 1), 2 * size * u
    pack(rows, 3 * u, g, n, 1, p.chunk, 0, rows, dtype)
    if p.dw_h != 0:
        product(u, 2 * u, rows, s, 1, p.stride, p.chunk, 0, rows, p.dw_h, wide, 1, dtype)
    if p.dw_x != 0:
        product(f, 3 * u, rows, x, 1, p.stride, p.chunk, 0, rows, p.dw_x, wide, 1, dtype)
    if p.db != 0:
        product(1, 3 * u, rows, ones, 1, p.stride, p.chunk, 0, rows, p.row, 3 * u, 0, dtype)
        add_to(3 * u, p.row, p.db, dtype)
    if p.dw_h != 0:
        pack(rows, u, g + candidate, n, 1, p.chunk, 0, rows, dtype)
        taken = s + size * p.depth
        product(u, u, rows, taken, 1, p.stride, p.chunk, 0, rows, p.dw_h + candidate, wide, 1, dtype)
    if dx != 0:
        product(rows, f, 3 * u, g, n, 1, p.back_x, 0, 3 * u, dx, f, 0, dtype)


@compiled
def _projected(p: Any, rows: Any, dtype: Any) -> None:
    project(p, rows, p.columns, p.w_x, p.b, p.gates, dtype)


@compiled
def _packed_candidate(p: Any, packed: Any, dtype: Any) -> Any:
    """Return where the candidate's weights lie, behind the gates'."""
    return packed + size_of(dtype) * p.units * panels(2 * p.units, dtype) if packed != 0 else 0


@compiled
def _pack_state(p: Any, packed: Any, dtype: Any) -> None:
    u, candidate = p.units, 2 * size_of(dtype) * p.units
    pack_row(u, 2 * u, p.w_h, p.wide, packed, dtype)
    pack_row(u, u, p.w_h + candidate, p.wide, _packed_candidate(p, packed, dtype), dtype)


@compiled
def _add_state(p: Any, h: Any, g: Any, packed: Any, backwards: Any, dtype: Any) -> None:
    u, candidate = p.units, 2 * size_of(dtype) * p.units
    add_state_product(u, 2 * u, h, p.w_h, p.wide, packed, backwards, g, dtype)
    _reset(1, u, 0, dtype(0.5), array_at(g, u, dtype), array_at(h, u, dtype), array_at(p.sources, u, dtype))
    behind = _packed_candidate(p, packed, dtype)
    add_state_product(u, u, p.sources, p.w_h + candidate, p.wide, behind, backwards, g + candidate, dtype)


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
