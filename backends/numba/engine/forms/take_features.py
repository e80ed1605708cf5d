"""Some features of each row, apart by a step; by a step of 0 one feature, several times."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import clear
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, uint

__all__ = ["TakeFeaturesForm"]

_FURTHER = "first step"
_taken_at = record_at(fields(f"{MAP} {_FURTHER}"))


class TakeFeaturesForm(MapForm):
    """Feature j of the output is feature first + j step of the input."""

    further = _FURTHER

    def settings(self) -> dict[str, int]:
        """Return which features."""
        return {name: self.call.options[name] for name in ("first", "step")}


@compiled
def _take(rows: Any, n: Any, wide: Any, first: Any, step: Any, x: Any, y: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(n):
            y[uint(k * n + j)] = x[uint(k * wide + first + j * step)]


@compiled
def _put(rows: Any, n: Any, wide: Any, first: Any, step: Any, dy: Any, dx: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(n):
            dx[uint(k * wide + first + j * step)] += dy[uint(k * n + j)]


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _taken_at(address)
    rows, n, wide = rows_of(p), p.units, p.features
    _take(rows, n, wide, p.first, p.step, array_at(p.x, rows * wide, dtype), array_at(p.y, rows * n, dtype))


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _taken_at(address)
    rows, n, wide = rows_of(p), p.units, p.features
    clear(rows * wide, p.dx, dtype)
    _put(rows, n, wide, p.first, p.step, array_at(p.dy, rows * n, dtype), array_at(p.dx, rows * wide, dtype))


def forward_float32(address: Any) -> None:
    """Take the features."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Take the features."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Write the gradient of all features."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Write the gradient of all features."""
    _backward(address, np.float64)
