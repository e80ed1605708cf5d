"""Attention of one head after the other, a few queries at a time: their scores never leave the cache.

Of the softmax, backward keeps two numbers a query, and computes the scores again, as Dao et al. (2022) do it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import clear, pack, product, size_of
from lamina.backends.numba.engine.elements import exponential
from lamina.backends.numba.engine.memory import (
    array_at,
    compiled,
    fields,
    integers_at,
    record_at,
    separate,
    summing,
    uint,
)
from lamina.backends.numba.engine.passes.rows import largest

__all__ = ["QUERIES", "RECORD", "attend", "attend_back", "places"]

#: ``width`` is a head's. Rows of q, k, v and dy have strides of their own; those of y and of the gradients lie without
#: gaps. ``kept`` has two numbers for each query of each head. ``across`` is from one query's scores to the next's.
#: ``keys``, ``values`` and ``left`` are rooms for packed operands.
RECORD = fields(
    "first last time heads width causal ends q q_row q_step k k_row k_step v v_row v_step dy dy_row dy_step y dq dk dv "
    "kept scores slopes across keys values left"
)
_record_at = record_at(RECORD)

#: How many queries are taken at a time.
QUERIES = 48
# The most columns that a panel of a packed operand has, of any dtype.
_WIDEST = 64


def places(time: int, width: int) -> tuple[int, list[tuple[str, int]], int]:
    """Return how far apart the scores of queries lie, where which room of the record begins, and their size in all."""
    across = (time + 15) // 16 * 16
    across += 0 if across % 32 else 16  # rows a power of two apart would share places of the cache
    columns = -(-width // _WIDEST) * _WIDEST
    sizes = {
        "scores": QUERIES * across, "slopes": QUERIES * across, "keys": 2 * width * -(-time // _WIDEST) * _WIDEST,
        "values": time * columns, "left": QUERIES * columns,
    }  # fmt: skip
    begins, total = [], 0
    for name, size in sizes.items():
        begins.append((name, total))
        total += -(-size // 16) * 16
    return across, begins, total


@summing
def _exponentials(count: Any, scale: Any, most: Any, scores: Any) -> Any:
    """Turn scores into e^(scale score - most); return their sum."""
    separate()
    total = scores.dtype.type(0)
    for k in range(count):
        scores[k] = exponential(scores[k] * scale - most)
        total += scores[k]
    return total


@compiled
def _softmax(count: Any, stop: Any, causal: Any, across: Any, scale: Any, scores: Any, kept: Any, dtype: Any) -> None:
    """Turn the scores of queries into exponentials; keep what is subtracted beforehand, and 1 / their sum."""
    for i in range(count):
        some = stop - count + i + 1 if causal else stop
        own = array_at(scores + size_of(dtype) * i * across, stop, dtype)
        most = largest(own, some) * scale
        kept[2 * i], kept[2 * i + 1] = most, dtype(1) / _exponentials(some, scale, most, own)
        for j in range(some, stop):
            own[j] = 0


@compiled
def _scale_rows(count: Any, width: Any, across: Any, kept: Any, y: Any) -> None:
    separate()
    for i in range(count):
        for j in range(width):
            y[uint(i * across + j)] *= kept[uint(2 * i + 1)]


@compiled
def attend(address: Any, dtype: Any) -> None:
    """Compute the output of some rows of a batch."""
    p = _record_at(address)
    size, width, units = size_of(dtype), p.width, p.heads * p.width
    scale = dtype(1 / np.sqrt(np.float64(width)))
    for row in range(p.first, p.last):
        time = min(integers_at(p.ends, row + 1)[row], p.time) if p.ends != 0 else p.time
        y = p.y + size * row * p.time * units
        clear((p.time - time) * units, y + size * time * units, dtype)
        for head in range(p.heads):
            column = head * width
            q = p.q + size * (row * p.q_row + column)
            pack(width, time, p.k + size * (row * p.k_row + column), 1, p.k_step, p.keys, 0, width, dtype)
            pack(time, width, p.v + size * (row * p.v_row + column), p.v_step, 1, p.values, 0, time, dtype)
            for first in range(0, time, QUERIES):
                count = min(QUERIES, time - first)
                keys = first + count if p.causal != 0 else time
                product(
                    count, keys, width, q + size * first * p.q_step, p.q_step, 1, p.keys, 0, width, p.scores,
                    p.across, 0, dtype,
                )  # fmt: skip
                kept = array_at(p.kept + 2 * size * ((row * p.heads + head) * p.time + first), 2 * count, dtype)
                _softmax(count, keys, p.causal != 0, p.across, scale, p.scores, kept, dtype)
                out = y + size * (first * units + column)
                product(count, width, keys, p.scores, p.across, 1, p.values, 0, time, out, units, 0, dtype)
                _scale_rows(count, width, units, kept, array_at(out, count * units, dtype))


@summing
def _dot(count: Any, x: Any, y: Any) -> Any:
    total = x.dtype.type(0)
    for k in range(count):
        total += x[k] * y[k]
    return total


@compiled
def _weights_again(
    count: Any, keys: Any, scale: Any, most: Any, share: Any, along: Any, scores: Any, slopes: Any
) -> None:
    """Turn a query's scores into its weights, and the gradients of these into those of q k^T."""
    separate()
    for k in range(count):
        weight = exponential(scores[k] * scale - most) * share
        slopes[k] = weight * (slopes[k] - along) * scale
        scores[k] = weight
    for k in range(count, keys):
        slopes[k] = 0
        scores[k] = 0


@compiled
def _head_back(p: Any, row: Any, head: Any, time: Any, dtype: Any) -> None:
    size, width, units, causal = size_of(dtype), p.width, p.heads * p.width, p.causal != 0
    scale, column = dtype(1 / np.sqrt(np.float64(width))), head * width
    q, k = p.q + size * (row * p.q_row + column), p.k + size * (row * p.k_row + column)
    v, dy = p.v + size * (row * p.v_row + column), p.dy + size * (row * p.dy_row + column)
    own = size * (row * p.time * units + column)
    turned = p.keys + size * _aligned(time) * width
    pack(width, time, k, 1, p.k_step, p.keys, 0, width, dtype)
    pack(width, time, v, 1, p.v_step, turned, 0, width, dtype)
    pack(time, width, k, p.k_step, 1, p.values, 0, time, dtype)
    for first in range(0, time, QUERIES):
        count = min(QUERIES, time - first)
        keys = first + count if causal else time
        own_q, own_dy, own_y = q + size * first * p.q_step, dy + size * first * p.dy_step, own + size * first * units
        product(count, keys, width, own_q, p.q_step, 1, p.keys, 0, width, p.scores, p.across, 0, dtype)
        product(count, keys, width, own_dy, p.dy_step, 1, turned, 0, width, p.slopes, p.across, 0, dtype)
        kept = array_at(p.kept + 2 * size * ((row * p.heads + head) * p.time + first), 2 * count, dtype)
        for i in range(count):
            along = _dot(
                width, array_at(own_dy + size * i * p.dy_step, width, dtype),
                array_at(p.y + own_y + size * i * units, width, dtype),
            )  # fmt: skip
            some = first + i + 1 if causal else keys
            scores = array_at(p.scores + size * i * p.across, keys, dtype)
            slopes = array_at(p.slopes + size * i * p.across, keys, dtype)
            _weights_again(some, keys, scale, kept[2 * i], kept[2 * i + 1], along, scores, slopes)
        product(count, width, keys, p.slopes, p.across, 1, p.values, 0, time, p.dq + own_y, units, 0, dtype)
        # Keys that no query before saw have got no gradient yet.
        seen = first if causal else (0 if first == 0 else keys)
        for gradient, left, upstream, step in ((p.dv, p.scores, own_dy, p.dy_step), (p.dk, p.slopes, own_q, p.q_step)):
            pack(count, width, upstream, step, 1, p.left, 0, count, dtype)
            product(seen, width, count, left, 1, p.across, p.left, 0, count, gradient + own, units, 1, dtype)
            product(
                keys - seen, width, count, left + size * seen, 1, p.across, p.left, 0, count,
                gradient + own + size * seen * units, units, 0, dtype,
            )  # fmt: skip


@compiled
def _aligned(time: Any) -> Any:
    return (time + _WIDEST - 1) // _WIDEST * _WIDEST


@compiled
def attend_back(address: Any, dtype: Any) -> None:
    """Write the gradients of some rows of a batch."""
    p = _record_at(address)
    size, units = size_of(dtype), p.heads * p.width
    for row in range(p.first, p.last):
        time = min(integers_at(p.ends, row + 1)[row], p.time) if p.ends != 0 else p.time
        for gradient in (p.dq, p.dk, p.dv):
            clear((p.time - time) * units, gradient + size * (row * p.time + time) * units, dtype)
        for head in range(p.heads):
            _head_back(p, row, head, time, dtype)


def forward_float32(address: Any) -> None:
    """Compute the output."""
    attend(address, np.float32)


def forward_float64(address: Any) -> None:
    """Compute the output."""
    attend(address, np.float64)


def backward_float32(address: Any) -> None:
    """Write the gradients."""
    attend_back(address, np.float32)


def backward_float64(address: Any) -> None:
    """Write the gradients."""
    attend_back(address, np.float64)
