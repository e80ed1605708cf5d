"""SimpleRNN: h_t = tanh(x_t w_x + h_(t-1) w_h + b), or relu of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.elements import squash
from lamina.backends.numba.engine.forms.plain_gates import make_cell, pull_back
from lamina.backends.numba.engine.forms.recurrent import RecurrentForm
from lamina.backends.numba.engine.memory import array_at, compiled, separate, uint

__all__ = ["SimpleRNNForm"]


class SimpleRNNForm(RecurrentForm):
    """The simple recurrence."""


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
def _step(
    p: Any, t: Any, row: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, h: Any, stride: Any, dtype: Any
) -> None:
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
def _step_back(p: Any, t: Any, rows: Any, s: Any, g: Any, c_before: Any, c_after: Any, dtype: Any) -> None:
    count = rows * p.units
    _slopes(count, p.relu != 0, array_at(g, count, dtype), array_at(p.dh, count, dtype))
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
