"""Normalization over the features of a row: each row is read once while it is in the first cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import size_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, summing

__all__ = ["RECORD"]

_INTEGERS = (
    "first last inner features x x_outer x_inner y y_outer y_inner dy dy_outer dy_inner dx scale shift mean sums "
    "centre odd"
)

#: ``first`` and ``last`` count rows of both axes. ``scale`` and ``shift`` are there; ``mean`` is where each row's
#: mean and 1 / deviation are, ``odd`` the address of a number: 1 where a square would overflow. ``sums`` has
#: dscale, dshift, and room for as much again.
RECORD = np.dtype([*((name, np.int64) for name in _INTEGERS.split()), ("epsilon", np.float64), ("most", np.float64)])
_record_at = record_at(RECORD)

# Of so many rows gradients are added up before they are added to those of the others, that they err less.
_TOGETHER = 64


@summing
def _sum(x: Any, count: Any) -> Any:
    total = x.dtype.type(0)
    for k in range(count):
        total += x[k]
    return total


@summing
def _squares(x: Any, count: Any, mean: Any) -> Any:
    total = x.dtype.type(0)
    for k in range(count):
        total += (x[k] - mean) * (x[k] - mean)
    return total


@compiled
def _normalize(count: Any, centre: Any, epsilon: Any, x: Any, scale: Any, shift: Any, y: Any, kept: Any) -> Any:
    """Write a row of y; keep the mean and 1 / the deviation. Return the sum of squares."""
    separate()
    one = x.dtype.type(1)
    share = one / x.dtype.type(count)
    mean = _sum(x, count) * share if centre else x.dtype.type(0)
    squares = _squares(x, count, mean)
    inverse = one / math.sqrt(squares * share + epsilon)
    for k in range(count):
        y[k] = (x[k] - mean) * inverse * scale[k] + shift[k]
    kept[0], kept[1] = mean, inverse
    return squares


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _record_at(address)
    size, n, odd = size_of(dtype), p.features, 0.0
    scale, shift = array_at(p.scale, n, dtype), array_at(p.shift, n, dtype)
    epsilon, centre = dtype(p.epsilon), p.centre != 0
    for row in range(p.first, p.last):
        i, j = row // p.inner, row % p.inner
        x = array_at(p.x + size * (i * p.x_outer + j * p.x_inner), n, dtype)
        y = array_at(p.y + size * (i * p.y_outer + j * p.y_inner), n, dtype)
        squares = _normalize(n, centre, epsilon, x, scale, shift, y, array_at(p.mean + 2 * size * row, 2, dtype))
        if not squares < p.most:
            odd = 1.0
    array_at(p.odd, 1, np.float64)[0] = odd


@summing
def _row_back(
    count: Any, centre: Any, mean: Any, inverse: Any, x: Any, dy: Any, scale: Any, dx: Any, dscale: Any, dshift: Any
) -> None:
    separate()
    along, whole = x.dtype.type(0), x.dtype.type(0)
    for k in range(count):
        n = (x[k] - mean) * inverse
        dscale[k] += dy[k] * n
        dshift[k] += dy[k]
        dn = dy[k] * scale[k]
        along += dn * n
        whole += dn
    share = x.dtype.type(1) / x.dtype.type(count)
    along *= share
    whole = whole * share if centre else x.dtype.type(0)
    for k in range(count):
        dx[k] = (dy[k] * scale[k] - whole - (x[k] - mean) * inverse * along) * inverse


@compiled
def _fold(count: Any, sums: Any, part: Any) -> None:
    separate()
    for k in range(count):
        sums[k] += part[k]
        part[k] = 0


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _record_at(address)
    size, n, centre = size_of(dtype), p.features, p.centre != 0
    scale, kept = array_at(p.scale, n, dtype), array_at(p.mean, 2 * p.last, dtype)
    sums, part = array_at(p.sums, 2 * n, dtype), array_at(p.sums + 2 * size * n, 2 * n, dtype)
    dscale, dshift = array_at(p.sums + 2 * size * n, n, dtype), array_at(p.sums + 3 * size * n, n, dtype)
    for first in range(p.first, p.last, _TOGETHER):
        for row in range(first, min(first + _TOGETHER, p.last)):
            i, j = row // p.inner, row % p.inner
            x = array_at(p.x + size * (i * p.x_outer + j * p.x_inner), n, dtype)
            dy = array_at(p.dy + size * (i * p.dy_outer + j * p.dy_inner), n, dtype)
            dx = array_at(p.dx + size * (i * p.y_outer + j * p.y_inner), n, dtype)
            _row_back(n, centre, kept[2 * row], kept[2 * row + 1], x, dy, scale, dx, dscale, dshift)
        _fold(2 * n, sums, part)


def forward_float32(address: Any) -> None:
    """Compute the output."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Compute the output."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Write the gradient of the input, and add those of scale and shift."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Write the gradient of the input, and add those of scale and shift."""
    _backward(address, np.float64)
