"""LSTM: i, f, o = sigmoid, g = tanh of x_t w_x + h_(t-1) w_h + b; c_t = f c_(t-1) + i g; h_t = o tanh(c_t)."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import pack, product, size_of
from lamina.backends.numba.engine.elements import sigmoid, squash
from lamina.backends.numba.engine.forms.one_row import add_row_product, make_inference, project
from lamina.backends.numba.engine.forms.recurrent import RecurrentForm, add_weights, make_passes
from lamina.backends.numba.engine.memory import array_at, compiled, separate, uint

__all__ = ["LSTMForm"]


class LSTMForm(RecurrentForm):
    """Long short-term memory; its gates lie in the order i, f, g, o."""

    gates = 4
    cells = 1


@compiled
def _pack_forward(p: Any, dtype: Any) -> None:
    u, n = p.units, p.columns
    pack(p.features, n, p.w_x, n, 1, p.packed, 0, p.depth, dtype)
    pack(u, n, p.w_h, n, 1, p.packed, p.h_at, p.depth, dtype)
    pack(1, n, p.b, n, 1, p.packed, p.one_at, p.depth, dtype)


@compiled
def _products(p: Any, rows: Any, s: Any, g: Any, dtype: Any) -> None:
    product(rows, p.columns, p.depth, s, p.stride, 1, p.packed, 0, p.depth, g, p.columns, 0, dtype)


@compiled
def _activate(
    rows: Any, units: Any, stride: Any, half: Any, i: Any, f: Any, n: Any, o: Any, before: Any, after: Any, h: Any
) -> None:
    separate()
    for row in range(rows):
        at, own, out = 4 * units * row, units * row, stride * row
        for k in range(units):
            open_i, open_f, open_o = (
                sigmoid(i[uint(at + k)], half),
                sigmoid(f[uint(at + k)], half),
                sigmoid(o[uint(at + k)], half),
            )
            new = squash(n[uint(at + k)])
            c = open_f * before[uint(own + k)] + open_i * new
            i[uint(at + k)], f[uint(at + k)], n[uint(at + k)], o[uint(at + k)], after[uint(own + k)] = (
                open_i,
                open_f,
                new,
                open_o,
                c,
            )
            h[uint(out + k)] = open_o * squash(c)


@compiled
def _step(p: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, h: Any, stride: Any, dtype: Any) -> None:
    u, much, wide = p.units, rows * p.columns, size_of(dtype) * p.units
    _activate(
        rows, u, stride, dtype(0.5),
        array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(c_before, rows * u, dtype), array_at(c_after, rows * u, dtype),
        array_at(h, rows * stride, dtype),
    )  # fmt: skip


@compiled
def _slopes(
    rows: Any, units: Any, one: Any, i: Any, f: Any, n: Any, o: Any, before: Any, after: Any, dh: Any, dc: Any
) -> None:
    separate()
    for row in range(rows):
        at, own = 4 * units * row, units * row
        for k in range(units):
            open_i, open_f, new, open_o = i[uint(at + k)], f[uint(at + k)], n[uint(at + k)], o[uint(at + k)]
            t, d = squash(after[uint(own + k)]), dh[uint(own + k)]
            c = dc[uint(own + k)] + d * open_o * (one - t * t)
            i[uint(at + k)] = c * new * open_i * (one - open_i)
            f[uint(at + k)] = c * before[uint(own + k)] * open_f * (one - open_f)
            n[uint(at + k)] = c * open_i * (one - new * new)
            o[uint(at + k)] = d * t * open_o * (one - open_o)
            dc[uint(own + k)] = c * open_f


@compiled
def _pack_backward(p: Any, dtype: Any) -> None:
    u, n = p.units, p.columns
    pack(n, u, p.w_h, 1, n, p.back, 0, n, dtype)
    if p.dx != 0:
        pack(n, p.features, p.w_x, 1, n, p.back_x, 0, n, dtype)


@compiled
def _step_back(p: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, first: Any, dtype: Any) -> None:
    u, n, much, wide = p.units, p.columns, rows * p.columns, size_of(dtype) * p.units
    _slopes(
        rows, u, dtype(1),
        array_at(g, much, dtype), array_at(g + wide, much, dtype), array_at(g + 2 * wide, much, dtype),
        array_at(g + 3 * wide, much, dtype), array_at(c_before, rows * u, dtype), array_at(c_after, rows * u, dtype),
        array_at(p.dh, rows * u, dtype), array_at(p.dc, rows * u, dtype),
    )  # fmt: skip
    if not first or p.dh_first != 0:
        product(rows, u, n, g, n, 1, p.back, 0, n, p.dh, u, 0, dtype)


@compiled
def _finish(p: Any, rows: Any, s: Any, g: Any, dx: Any, dtype: Any) -> None:
    add_weights(p, rows, s, g, dtype)
    if dx != 0:
        product(rows, p.features, p.columns, g, p.columns, 1, p.back_x, 0, p.columns, dx, p.features, 0, dtype)


@compiled
def _projected(p: Any, rows: Any, dtype: Any) -> None:
    project(p, rows, p.columns, p.w_x, p.b, p.gates, dtype)


@compiled
def _add_state(p: Any, h: Any, g: Any, dtype: Any) -> None:
    add_row_product(p.units, p.columns, h, p.w_h, p.wide, g, dtype)


_forward, _backward = make_passes(_pack_forward, _products, _step, _pack_backward, _step_back, _finish)
_infer = make_inference(_projected, _add_state, _step)


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
