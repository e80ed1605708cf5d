"""Softmax and its logarithm over the last axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import sum_products, sum_rows
from lamina.backends.numba.engine.elements import exponential
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, uint

__all__ = ["SoftmaxForm"]

_FURTHER = "log sums maxima"
_softmax_at = record_at(fields(f"{MAP} {_FURTHER}"))


class SoftmaxForm(MapForm):
    """Both; backward takes exp(x - max) / sum, which the logarithm keeps apart."""

    further = _FURTHER

    def settings(self) -> dict[str, int]:
        """Return which it is, and room for two numbers of each row."""
        room, log = self.room, self.call.kernel == "log_softmax"
        return {"log": log, "sums": room.floats(self.most), "maxima": room.floats(self.most)}

    def kept(self) -> int:
        """Return how many exponentials there are: those of the logarithm alone."""
        return self.most * self.call.inputs[0].features if self.call.kernel == "log_softmax" else 0


@compiled
def _largest(first: Any, n: Any, x: Any) -> Any:
    """Return a row's maximum, by several at once, so that none waits for the one before.

    NaN needs no care: it comes out of the exponential.
    """
    m = x[uint(first)]
    m0, m1, m2, m3, m4, m5, m6, m7 = m, m, m, m, m, m, m, m
    rest = n % 8
    for j in range(rest):
        v = x[uint(first + j)]
        m = v if v > m else m
    for block in range(n // 8):
        at = first + rest + 8 * block
        v0, v1, v2, v3 = x[uint(at)], x[uint(at + 1)], x[uint(at + 2)], x[uint(at + 3)]
        v4, v5, v6, v7 = x[uint(at + 4)], x[uint(at + 5)], x[uint(at + 6)], x[uint(at + 7)]
        m0, m1, m2, m3 = v0 if v0 > m0 else m0, v1 if v1 > m1 else m1, v2 if v2 > m2 else m2, v3 if v3 > m3 else m3
        m4, m5, m6, m7 = v4 if v4 > m4 else m4, v5 if v5 > m5 else m5, v6 if v6 > m6 else m6, v7 if v7 > m7 else m7
    for v in (m0, m1, m2, m3, m4, m5, m6, m7):
        m = v if v > m else m
    return m


@compiled
def _exponentials(rows: Any, n: Any, x: Any, maxima: Any, y: Any) -> None:
    """Write exp(x - max) of each row, and the maxima."""
    separate()
    for k in range(rows):
        own = k * n
        most = _largest(own, n, x)
        maxima[k] = most
        for j in range(n):
            y[uint(own + j)] = exponential(x[uint(own + j)] - most)


@compiled
def _divide(rows: Any, n: Any, sums: Any, y: Any) -> None:
    separate()
    for k in range(rows):
        share = y.dtype.type(1) / sums[k]
        for j in range(n):
            y[uint(k * n + j)] *= share


@compiled
def _logarithms(rows: Any, n: Any, sums: Any, maxima: Any, x: Any, y: Any) -> None:
    separate()
    for k in range(rows):
        own, rest, most = k * n, math.log(sums[k]), maxima[k]
        for j in range(n):
            y[uint(own + j)] = (x[uint(own + j)] - most) - rest


@compiled
def _slopes(rows: Any, n: Any, log: Any, along: Any, dy: Any, p: Any, dx: Any) -> None:
    separate()
    for k in range(rows):
        own, mean = k * n, along[k]
        if log:
            for j in range(n):
                dx[uint(own + j)] = dy[uint(own + j)] - p[uint(own + j)] * mean
        else:
            for j in range(n):
                dx[uint(own + j)] = p[uint(own + j)] * (dy[uint(own + j)] - mean)


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _softmax_at(address)
    n, rows, log = p.features, rows_of(p), p.log != 0
    x, y, sums = array_at(p.x, rows * n, dtype), array_at(p.y, rows * n, dtype), array_at(p.sums, rows, dtype)
    out = array_at(p.kept, rows * n, dtype) if log else y
    maxima = array_at(p.maxima, rows, dtype)
    _exponentials(rows, n, x, maxima, out)
    sum_rows(rows, n, out, sums)
    _divide(rows, n, sums, out)
    if log:
        _logarithms(rows, n, sums, maxima, x, y)


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _softmax_at(address)
    n, rows, log = p.features, rows_of(p), p.log != 0
    dy, dx, along = array_at(p.dy, rows * n, dtype), array_at(p.dx, rows * n, dtype), array_at(p.sums, rows, dtype)
    shares = array_at(p.kept if log else p.y, rows * n, dtype)
    if log:
        sum_rows(rows, n, dy, along)
    else:
        sum_products(rows, n, dy, shares, along)
    _slopes(rows, n, log, along, dy, shares, dx)


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
