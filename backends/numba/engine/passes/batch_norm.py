"""Normalization over the valid steps of a batch: statistics of blocks of rows in the cache, put together.

Means and sums of squares of blocks are joined as Chan, Golub and LeVeque (1979) do it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import size_of
from lamina.backends.numba.engine.memory import array_at, compiled, fields, integers_at, record_at, separate

__all__ = ["RECORD"]

#: ``first`` and ``last`` count rows of both axes; ``ends`` are how many of the inner axis each outer row has, or 0.
#: ``count`` is the address of how many were read; ``means`` and ``squares`` those of float64. ``a``, ``b`` and ``c``
#: have a number for each feature. ``room`` has two rows, ``sums`` dscale and dshift.
RECORD = fields(
    "first last inner features ends x x_outer x_inner y y_outer y_inner dy dy_outer dy_inner count means squares mean "
    "a b c room sums"
)
_record_at = record_at(RECORD)

_TOGETHER = 64


@compiled
def _is_valid(p: Any, row: Any) -> Any:
    return p.ends == 0 or row % p.inner < integers_at(p.ends, row // p.inner + 1)[row // p.inner]


@compiled
def _place(p: Any, row: Any, at: Any, outer: Any, inner: Any, size: Any) -> Any:
    return at + size * (row // p.inner * outer + row % p.inner * inner)


@compiled
def _add(count: Any, x: Any, sums: Any) -> None:
    separate()
    for k in range(count):
        sums[k] += x[k]


@compiled
def _add_squares(count: Any, x: Any, mean: Any, sums: Any) -> None:
    separate()
    for k in range(count):
        sums[k] += (x[k] - mean[k]) * (x[k] - mean[k])


@compiled
def _join(count: Any, before: Any, new: Any, sums: Any, more: Any, means: Any, squares: Any) -> None:
    """Join a block's means and squares, of so many rows, to those of the rows before; leave zeros."""
    separate()
    share = np.float64(new) / np.float64(before + new)
    for k in range(count):
        delta = np.float64(sums[k]) - means[k]
        means[k] += delta * share
        squares[k] += np.float64(more[k]) + delta * delta * share * np.float64(before)
        sums[k] = 0
        more[k] = 0


@compiled
def _divide(count: Any, sums: Any, by: Any) -> None:
    separate()
    for k in range(count):
        sums[k] /= by


@compiled
def _statistics(address: Any, dtype: Any) -> None:
    p = _record_at(address)
    size, n, done = size_of(dtype), p.features, 0
    sums, more = array_at(p.room, n, dtype), array_at(p.room + size * n, n, dtype)
    means, squares = array_at(p.means, n, np.float64), array_at(p.squares, n, np.float64)
    for first in range(p.first, p.last, _TOGETHER):
        last, new = min(first + _TOGETHER, p.last), 0
        for row in range(first, last):
            if _is_valid(p, row):
                new += 1
                _add(n, array_at(_place(p, row, p.x, p.x_outer, p.x_inner, size), n, dtype), sums)
        if new == 0:
            continue
        _divide(n, sums, dtype(new))
        for row in range(first, last):
            if _is_valid(p, row):
                _add_squares(n, array_at(_place(p, row, p.x, p.x_outer, p.x_inner, size), n, dtype), sums, more)
        _join(n, done, new, sums, more, means, squares)
        done += new
    integers_at(p.count, 1)[0] = done


@compiled
def _write(count: Any, x: Any, mean: Any, a: Any, b: Any, y: Any) -> None:
    separate()
    for k in range(count):
        y[k] = (x[k] - mean[k]) * a[k] + b[k]


@compiled
def _write_back(count: Any, x: Any, dy: Any, mean: Any, a: Any, b: Any, c: Any, dx: Any) -> None:
    separate()
    for k in range(count):
        dx[k] = a[k] * (dy[k] - b[k] - (x[k] - mean[k]) * c[k])


@compiled
def _apply(address: Any, dtype: Any, back: Any) -> None:
    p = _record_at(address)
    size, n = size_of(dtype), p.features
    mean, a, b = array_at(p.mean, n, dtype), array_at(p.a, n, dtype), array_at(p.b, n, dtype)
    for row in range(p.first, p.last):
        y = array_at(_place(p, row, p.y, p.y_outer, p.y_inner, size), n, dtype)
        if not _is_valid(p, row):
            for k in range(n):
                y[k] = 0
            continue
        x = array_at(_place(p, row, p.x, p.x_outer, p.x_inner, size), n, dtype)
        if back:
            dy = array_at(_place(p, row, p.dy, p.dy_outer, p.dy_inner, size), n, dtype)
            _write_back(n, x, dy, mean, a, b, array_at(p.c, n, dtype), y)
        else:
            _write(n, x, mean, a, b, y)


@compiled
def _add_back(count: Any, x: Any, dy: Any, mean: Any, inverse: Any, dscale: Any, dshift: Any) -> None:
    separate()
    for k in range(count):
        dscale[k] += dy[k] * ((x[k] - mean[k]) * inverse[k])
        dshift[k] += dy[k]


@compiled
def _fold(count: Any, sums: Any, part: Any) -> None:
    separate()
    for k in range(count):
        sums[k] += part[k]
        part[k] = 0


@compiled
def _gradients(address: Any, dtype: Any) -> None:
    p = _record_at(address)
    size, n = size_of(dtype), p.features
    dscale, dshift = array_at(p.room, n, dtype), array_at(p.room + size * n, n, dtype)
    mean, inverse = array_at(p.mean, n, dtype), array_at(p.a, n, dtype)
    for first in range(p.first, p.last, _TOGETHER):
        for row in range(first, min(first + _TOGETHER, p.last)):
            if _is_valid(p, row):
                x = array_at(_place(p, row, p.x, p.x_outer, p.x_inner, size), n, dtype)
                dy = array_at(_place(p, row, p.dy, p.dy_outer, p.dy_inner, size), n, dtype)
                _add_back(n, x, dy, mean, inverse, dscale, dshift)
        _fold(2 * n, array_at(p.sums, 2 * n, dtype), array_at(p.room, 2 * n, dtype))


def statistics_float32(address: Any) -> None:
    """Add up means and squares."""
    _statistics(address, np.float32)


def statistics_float64(address: Any) -> None:
    """Add up means and squares."""
    _statistics(address, np.float64)


def forward_float32(address: Any) -> None:
    """Write y = (x - mean) a + b."""
    _apply(address, np.float32, False)


def forward_float64(address: Any) -> None:
    """Write y = (x - mean) a + b."""
    _apply(address, np.float64, False)


def gradients_float32(address: Any) -> None:
    """Add up dscale and dshift."""
    _gradients(address, np.float32)


def gradients_float64(address: Any) -> None:
    """Add up dscale and dshift."""
    _gradients(address, np.float64)


def backward_float32(address: Any) -> None:
    """Write dx = a (dy - b - (x - mean) c)."""
    _apply(address, np.float32, True)


def backward_float64(address: Any) -> None:
    """Write dx = a (dy - b - (x - mean) c)."""
    _apply(address, np.float64, True)
