"""Convolution: products over a row's steps as they lie, with zeros before and behind them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import add_product, add_row, clear, copy, copy_rows, pack, product, size_of
from lamina.backends.numba.engine.memory import array_at, compiled, fields, integers_at, record_at, separate, uint

__all__ = ["RECORD"]

#: ``ends`` and ``stops`` are the lengths of x and of y, or 0. ``padded`` is room for the steps of a row and what the
#: first and the last window have beside them, ``extent`` in all; ``across`` columns
#: have the packed weights of backward. ``db`` has room for as many sums again.
RECORD = fields(
    "first last time features units size number stride dilation before extent x x_row x_step y y_row y_step w b ends "
    "stops padded packed back dx dx_row dx_step dw db dy across"
)
_record_at = record_at(RECORD)


@compiled
def _ends_of(p: Any, row: Any) -> Any:
    """Return how many steps of a row of x, and of y, there are."""
    steps = min(integers_at(p.ends, row + 1)[row], p.time) if p.ends != 0 else p.time
    windows = min(integers_at(p.stops, row + 1)[row], p.number) if p.stops != 0 else p.number
    return steps, windows


@compiled
def _pad(p: Any, row: Any, steps: Any, dtype: Any) -> None:
    """Write a row's steps between zeros."""
    size, width = size_of(dtype), p.features
    steps = max(min(steps, p.extent - p.before), 0)
    first = min(p.before, p.extent) * width
    clear(first, p.padded, dtype)
    clear(p.extent * width - first - steps * width, p.padded + size * (first + steps * width), dtype)
    copy_rows(steps, width, p.x + size * row * p.x_row, p.x_step, p.padded + size * first, width, dtype)


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _record_at(address)
    size, width, units, n = size_of(dtype), p.features, p.units, p.size
    depth, parts = (n * width, 1) if p.dilation == 1 else (width, n)
    pack(n * width, units, p.w, units, 1, p.packed, 0, n * width, dtype)
    for row in range(p.first, p.last):
        steps, windows = _ends_of(p, row)
        _pad(p, row, steps, dtype)
        y = p.y + size * row * p.y_row
        for i in range(parts):
            product(
                windows, units, depth, p.padded + size * i * p.dilation * width, p.stride * width, 1, p.packed,
                i * depth, n * width, y, units, i, dtype,
            )  # fmt: skip
        if p.b != 0:
            add_row(windows, units, array_at(p.b, units, dtype), array_at(y, windows * units, dtype))
        clear((p.number - windows) * units, y + size * windows * units, dtype)


@compiled
def _add_columns(rows: Any, units: Any, across: Any, source: Any, part: Any, target: Any) -> None:
    """Add the sum of rows to a row; they are added up beforehand, that it errs less."""
    separate()
    for j in range(units):
        part[j] = 0
    for k in range(rows):
        for j in range(units):
            part[j] += source[uint(k * across + j)]
    for j in range(units):
        target[j] += part[j]


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _record_at(address)
    size, width, units, n = size_of(dtype), p.features, p.units, p.size
    if p.dx != 0:
        for i in range(n):
            pack(
                units, width, p.w + size * i * width * units, 1, units, p.back + size * i * units * p.across, 0, units,
                dtype,
            )  # fmt: skip
    for row in range(p.first, p.last):
        steps, windows = _ends_of(p, row)
        dy = p.dy + size * row * p.y_row
        _pad(p, row, steps, dtype)
        _weights_back(p, windows, dy, dtype)
        if p.dx == 0:
            continue
        clear(p.extent * width, p.padded, dtype)
        for i in range(n):
            product(
                windows, width, units, dy, p.y_step, 1, p.back + size * i * units * p.across, 0, units,
                p.padded + size * i * p.dilation * width, p.stride * width, 1, dtype,
            )  # fmt: skip
        kept = max(min(steps, p.extent - p.before), 0)
        dx = p.dx + size * row * p.dx_row
        copy(kept * width, p.padded + size * p.before * width, dx, dtype)
        clear((p.time - kept) * width, dx + size * kept * width, dtype)


@compiled
def _weights_back(p: Any, windows: Any, dy: Any, dtype: Any) -> None:
    size, width, units, n = size_of(dtype), p.features, p.units, p.size
    across = p.stride * width
    if p.dilation == 1:
        add_product(windows, n * width, units, p.padded, across, dy, p.y_step, p.dw, units, p.packed, dtype)
    else:
        for i in range(n):
            left, dw = p.padded + size * i * p.dilation * width, p.dw + size * i * width * units
            add_product(windows, width, units, left, across, dy, p.y_step, dw, units, p.packed, dtype)
    source, sums = array_at(dy, max(windows, 1) * p.y_step, dtype), array_at(p.db, units, dtype)
    _add_columns(windows, units, p.y_step, source, array_at(p.db + size * units, units, dtype), sums)


def forward_float32(address: Any) -> None:
    """Compute the output."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Compute the output."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Add to the gradients of the weights, and write that of the input."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Add to the gradients of the weights, and write that of the input."""
    _backward(address, np.float64)
