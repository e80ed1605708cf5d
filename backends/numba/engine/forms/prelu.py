"""PReLU: y = x where x > 0, else slope x, with a slope for all features or one for each."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import clear
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, uint

__all__ = ["PReLUForm"]

#: ``each`` is 1 where every feature has a slope, else 0; ``sums`` (features,) are for the slopes' gradient.
_FURTHER = "each slope dslope sums"
_prelu_at = record_at(fields(f"{MAP} {_FURTHER}"))


class PReLUForm(MapForm):
    """Of each feature."""

    further = _FURTHER

    def settings(self) -> dict[str, int]:
        """Return the slopes."""
        weights, features = self.call.weights["slope"], self.call.inputs[0].features
        assert weights is not None
        return {
            "each": weights.data.size > 1,
            "slope": self.room.weights(weights),
            "sums": self.room.floats(features),
        }

    def gradients(self) -> dict[str, int]:
        """Return where that of the slopes is added."""
        return {"dslope": self.room.gradient_of(self.call.weights["slope"])}


@compiled
def _bend(rows: Any, n: Any, each: Any, slope: Any, x: Any, y: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(n):
            v = x[uint(k * n + j)]
            y[uint(k * n + j)] = v if v > 0 else v * slope[uint(j * each)]


@compiled
def _back(rows: Any, n: Any, each: Any, slope: Any, x: Any, dy: Any, dx: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(n):
            d = dy[uint(k * n + j)]
            dx[uint(k * n + j)] = d if x[uint(k * n + j)] > 0 else d * slope[uint(j * each)]


@compiled
def _add_slopes(rows: Any, n: Any, x: Any, dy: Any, sums: Any) -> None:
    separate()
    zero = x.dtype.type(0)
    for k in range(rows):
        for j in range(n):
            v = x[uint(k * n + j)]
            sums[j] += dy[uint(k * n + j)] * (zero if v > zero else v)


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _prelu_at(address)
    rows, n = rows_of(p), p.features
    slope = array_at(p.slope, n if p.each != 0 else 1, dtype)
    _bend(rows, n, p.each, slope, array_at(p.x, rows * n, dtype), array_at(p.y, rows * n, dtype))


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _prelu_at(address)
    rows, n = rows_of(p), p.features
    slopes = n if p.each != 0 else 1
    x, dy = array_at(p.x, rows * n, dtype), array_at(p.dy, rows * n, dtype)
    if p.dx != 0:
        _back(rows, n, p.each, array_at(p.slope, slopes, dtype), x, dy, array_at(p.dx, rows * n, dtype))
    if p.dslope != 0:
        clear(n, p.sums, dtype)
        sums, dslope = array_at(p.sums, n, dtype), array_at(p.dslope, slopes, dtype)
        _add_slopes(rows, n, x, dy, sums)
        for j in range(n):
            dslope[uint(j * p.each)] += sums[j]


def forward_float32(address: Any) -> None:
    """Write the output."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Write the output."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Add to the gradient of the slopes, and write that of the input."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Add to the gradient of the slopes, and write that of the input."""
    _backward(address, np.float64)
