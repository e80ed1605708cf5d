"""Clipping of all gradients together, before the updates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.update import UpdateForm
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, record_at, separate, uint
from lamina.backends.numba.engine.room import address_of_array
from lamina.backends.program import Update

__all__ = ["ClipGlobalNormForm", "ClipValuesForm"]

#: ``places`` and ``sizes`` are addresses of an int64 for each array.
CLIPPED = fields("count places sizes settings")
_clipped_at = record_at(CLIPPED)

# A sum of squares below this may have lost some: they are then taken of what is divided by the largest, which is a
# factor of at most this.
_LEAST, _FAR = 1e-280, 1e300


class ClipValuesForm(UpdateForm):
    """Bounds every element."""

    name = "clip_values"
    needs = "limit"
    alike = False

    def make_record(self, update: Update) -> Array:
        """Return the record of all arrays."""
        room, count = self.room, len(update.arrays)
        places, sizes = room.take(count, np.int64), room.take(count, np.int64)
        for index, array in enumerate(update.arrays):
            places[index], sizes[index] = address_of_array(array), array.size  # type: ignore[union-attr]
        return room.record(
            CLIPPED,
            count=count,
            places=address_of_array(places),
            sizes=address_of_array(sizes),
            settings=address_of_array(self.settings),
        )


class ClipGlobalNormForm(ClipValuesForm):
    """Scales all so that their norm as one vector is at most a limit."""

    name = "clip_global_norm"


@compiled
def _bound(size: Any, limit: Any, array: Any) -> None:
    separate()
    for k in range(size):
        one = limit if array[k] > limit else array[k]  # NaN stays NaN
        array[k] = -limit if one < -limit else one


@compiled
def _scale(size: Any, factor: Any, array: Any) -> None:
    separate()
    for k in range(size):
        array[k] *= factor


@compiled
def _squares(size: Any, factor: Any, array: Any) -> Any:
    """Return the sum of squares of what is multiplied by a number, in float64: as eight, so that none waits."""
    separate()
    a = b = c = d = e = f = g = h = 0.0
    whole = size // 8 * 8
    for k in range(0, whole, 8):
        a += (np.float64(array[uint(k)]) * factor) ** 2
        b += (np.float64(array[uint(k + 1)]) * factor) ** 2
        c += (np.float64(array[uint(k + 2)]) * factor) ** 2
        d += (np.float64(array[uint(k + 3)]) * factor) ** 2
        e += (np.float64(array[uint(k + 4)]) * factor) ** 2
        f += (np.float64(array[uint(k + 5)]) * factor) ** 2
        g += (np.float64(array[uint(k + 6)]) * factor) ** 2
        h += (np.float64(array[uint(k + 7)]) * factor) ** 2
    for k in range(whole, size):
        a += (np.float64(array[uint(k)]) * factor) ** 2
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@compiled
def _largest(size: Any, array: Any) -> Any:
    """Return the largest size of an element, NaN where one is."""
    separate()
    found = 0.0
    for k in range(size):
        much = abs(np.float64(array[uint(k)]))
        found = much if much > found or much != much else found
        if found != found:
            break
    return found


@compiled
def _norm(count: Any, places: Any, sizes: Any, dtype: Any) -> Any:
    total = 0.0
    for index in range(count):
        total += _squares(sizes[index], 1.0, array_at(places[index], sizes[index], dtype))
    if _LEAST < total < math.inf:
        return math.sqrt(total)
    largest = 0.0
    for index in range(count):
        much = _largest(sizes[index], array_at(places[index], sizes[index], dtype))
        largest = much if much > largest or much != much else largest
    if not 0 < largest < math.inf:
        return largest
    total, factor = 0.0, min(max(1 / largest, 1 / _FAR), _FAR)
    for index in range(count):
        total += _squares(sizes[index], factor, array_at(places[index], sizes[index], dtype))
    return math.sqrt(total) / factor


@compiled
def _clip_values(address: Any, dtype: Any) -> None:
    p = _clipped_at(address)
    places, sizes = integers_at(p.places, p.count), integers_at(p.sizes, p.count)
    limit = dtype(array_at(p.settings, 1, np.float64)[0])
    for index in range(p.count):
        _bound(sizes[index], limit, array_at(places[index], sizes[index], dtype))


@compiled
def _clip_global_norm(address: Any, dtype: Any) -> None:
    p = _clipped_at(address)
    places, sizes = integers_at(p.places, p.count), integers_at(p.sizes, p.count)
    limit = dtype(array_at(p.settings, 1, np.float64)[0])
    norm = dtype(_norm(p.count, places, sizes, dtype))
    if norm <= limit:
        return
    factor = limit / norm  # 0 of an infinite norm: infinity times that is NaN
    for index in range(p.count):
        _scale(sizes[index], factor, array_at(places[index], sizes[index], dtype))


def clip_values_float32(address: Any) -> None:
    """Bound."""
    _clip_values(address, np.float32)


def clip_values_float64(address: Any) -> None:
    """Bound."""
    _clip_values(address, np.float64)


def clip_global_norm_float32(address: Any) -> None:
    """Scale."""
    _clip_global_norm(address, np.float32)


def clip_global_norm_float64(address: Any) -> None:
    """Scale."""
    _clip_global_norm(address, np.float64)
