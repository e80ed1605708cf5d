"""Standardize: y = ((x - mean) - rest of the mean) / deviation, of numbers that are not trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, uint

__all__ = ["StandardizeForm"]

_FURTHER = "mean rest deviation"
_standardized_at = record_at(fields(f"{MAP} {_FURTHER}"))


class StandardizeForm(MapForm):
    """Of each feature."""

    further = _FURTHER

    def settings(self) -> dict[str, int]:
        """Return where the statistics lie."""
        return {name: self.room.weights(self.call.weights[name]) for name in _FURTHER.split()}


@compiled
def _standardize(rows: Any, n: Any, mean: Any, rest: Any, deviation: Any, x: Any, y: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(n):
            y[uint(k * n + j)] = ((x[uint(k * n + j)] - mean[j]) - rest[j]) / deviation[j]


@compiled
def _divide(rows: Any, n: Any, deviation: Any, dy: Any, dx: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(n):
            dx[uint(k * n + j)] = dy[uint(k * n + j)] / deviation[j]


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _standardized_at(address)
    rows, n = rows_of(p), p.features
    _standardize(
        rows, n, array_at(p.mean, n, dtype), array_at(p.rest, n, dtype), array_at(p.deviation, n, dtype),
        array_at(p.x, rows * n, dtype), array_at(p.y, rows * n, dtype),
    )  # fmt: skip


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _standardized_at(address)
    rows, n = rows_of(p), p.features
    _divide(rows, n, array_at(p.deviation, n, dtype), array_at(p.dy, rows * n, dtype), array_at(p.dx, rows * n, dtype))


def forward_float32(address: Any) -> None:
    """Write the output."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Write the output."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Write the gradient of the input."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Write the gradient of the input."""
    _backward(address, np.float64)
