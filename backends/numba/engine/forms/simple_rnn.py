"""SimpleRNN: h_t = tanh(x_t w_x + h_(t-1) w_h + b), or relu of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import pack, product
from lamina.backends.numba.engine.elements import squash
from lamina.backends.numba.engine.forms.one_row import add_row_product, make_inference, project
from lamina.backends.numba.engine.forms.recurrent import RecurrentForm, add_weights, make_passes
from lamina.backends.numba.engine.memory import array_at, compiled, separate, uint

__all__ = ["SimpleRNNForm"]


class SimpleRNNForm(RecurrentForm):
    """The simple recurrence."""


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
def _activate(rows: Any, units: Any, stride: Any, relu: Any, g: Any, h: Any) -> None:
    separate()
    if relu:
        for k in range(rows * units):
            g[k] = g[k] if g[k] > 0 or g[k] != g[k] else g.dtype.type(0)
    else:
        for k in range(rows * units):
            g[k] = squash(g[k])
    for row in range(rows):
        for k in range(units):
            h[uint(row * stride + k)] = g[uint(row * units + k)]


@compiled
def _step(p: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, h: Any, stride: Any, dtype: Any) -> None:
    u = p.units
    _activate(rows, u, stride, p.relu != 0, array_at(g, rows * u, dtype), array_at(h, rows * stride, dtype))


@compiled
def _slopes(count: Any, relu: Any, g: Any, dh: Any) -> None:
    separate()
    if relu:
        for k in range(count):
            g[k] = dh[k] if g[k] > 0 else g.dtype.type(0)
    else:
        for k in range(count):
            g[k] = dh[k] * (g.dtype.type(1) - g[k] * g[k])


@compiled
def _pack_backward(p: Any, dtype: Any) -> None:
    u, n = p.units, p.columns
    pack(n, u, p.w_h, 1, n, p.back, 0, n, dtype)
    if p.dx != 0:
        pack(n, p.features, p.w_x, 1, n, p.back_x, 0, n, dtype)


@compiled
def _step_back(p: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, first: Any, dtype: Any) -> None:
    u, n = p.units, p.columns
    _slopes(rows * u, p.relu != 0, array_at(g, rows * u, dtype), array_at(p.dh, rows * u, dtype))
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
