"""Softmax and its logarithm over the last axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import sum_products, sum_rows
from lamina.backends.numba.engine.elements import exponential
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm, rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, uint

__all__ = ["SoftmaxForm"]

_FURTHER = "log sums"
_softmax_at = record_at(fields(f"{MAP} {_FURTHER}"))


class SoftmaxForm(MapForm):
    """Both; backward takes exp(x - max) / sum, which the logarithm keeps apart."""

    further = _FURTHER

    def settings(self) -> dict[str, int]:
        """Return which it is, and room for a number of each row."""
        return {"log": self.call.kernel == "log_softmax", "sums": self.room.floats(self.most)}

    def kept(self) -> int:
        """Return how many exponentials there are: those of the logarithm alone."""
        return self.most * self.call.inputs[0].features if self.call.kernel == "log_softmax" else 0


@compiled
def _exponentials(rows: Any, n: Any, x: Any, y: Any) -> None:
    """Write exp(x - max) of each row; NaN needs no care in the maximum, as it comes out of the exponential."""
    separate()
    for k in range(rows):
        own = k * n
        most = x[own]
        for j in range(1, n):
            most = x[uint(own + j)] if x[uint(own + j)] > most else most
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
def _logarithms(rows: Any, n: Any, sums: Any, x: Any, y: Any) -> None:
    separate()
    for k in range(rows):
        own, rest = k * n, math.log(sums[k])
        most = x[own]
        for j in range(1, n):
            most = x[uint(own + j)] if x[uint(own + j)] > most else most
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
    _exponentials(rows, n, x, out)
    sum_rows(rows, n, out, sums)
    _divide(rows, n, sums, out)
    if log:
        _logarithms(rows, n, sums, x, y)


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
