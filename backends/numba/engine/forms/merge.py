"""What stands between kernels: the sum of a value's gradients, and of the blocks' gradients of weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import add_to, clear
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at

__all__ = ["CLEARED", "MERGED", "SCALED", "SHARED"]

#: Adds ``source`` to ``target``: ``count`` numbers, or as many as a frame's value of so many features has.
MERGED = fields("frame sequence features count source target")
#: ``count`` numbers.
CLEARED = fields("count target")

#: Multiplies a frame's value of so many features by ``factor``, the address of a float64.
SCALED = fields("frame sequence features target factor")

#: ``terms``, ``share`` and ``loss`` are addresses of a float64, ``totals`` of one for each block.
SHARED = fields("terms share loss totals blocks mean")

_merged_at, _cleared_at, _shared_at = record_at(MERGED), record_at(CLEARED), record_at(SHARED)
_scaled_at = record_at(SCALED)


@compiled
def _merge(address: Any, dtype: Any) -> None:
    p = _merged_at(address)
    count = rows_of(p) * p.features if p.frame != 0 else p.count
    add_to(count, p.source, p.target, dtype)


@compiled
def _clear(address: Any, dtype: Any) -> None:
    p = _cleared_at(address)
    clear(p.count, p.target, dtype)


def merge_float32(address: Any) -> None:
    """Add."""
    _merge(address, np.float32)


def merge_float64(address: Any) -> None:
    """Add."""
    _merge(address, np.float64)


def clear_float32(address: Any) -> None:
    """Set to 0."""
    _clear(address, np.float32)


def clear_float64(address: Any) -> None:
    """Set to 0."""
    _clear(address, np.float64)


@compiled
def _scale(address: Any, dtype: Any) -> None:
    p = _scaled_at(address)
    factor = dtype(array_at(p.factor, 1, np.float64)[0])
    if factor == 1:
        return
    count = rows_of(p) * p.features
    values = array_at(p.target, count, dtype)
    for k in range(count):
        values[k] *= factor


def scale_float32(address: Any) -> None:
    """Multiply."""
    _scale(address, np.float32)


def scale_float64(address: Any) -> None:
    """Multiply."""
    _scale(address, np.float64)


def begin(address: Any) -> None:
    """Forget the terms of the run before."""
    array_at(_shared_at(address).terms, 1, np.float64)[0] = 0


def share(address: Any) -> None:
    """Write by what each term of the loss is multiplied."""
    p = _shared_at(address)
    terms = array_at(p.terms, 1, np.float64)[0]
    found = 1.0
    if p.mean != 0:
        found = 1 / terms if terms > 0 else 0.0
    array_at(p.share, 1, np.float64)[0] = found


def finish(address: Any) -> None:
    """Add up the blocks' losses."""
    p = _shared_at(address)
    totals, found = array_at(p.totals, p.blocks, np.float64), 0.0
    for k in range(p.blocks):
        found += totals[k]
    array_at(p.loss, 1, np.float64)[0] = found
