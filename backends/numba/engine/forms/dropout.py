"""Dropout: the mask is drawn by counting, so that it is that of every other backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.generic.random import least_kept
from lamina.backends.numba.engine.algebra import size_of
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, record_at, separate
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.numba.hashing import mix
from lamina.backends.program import Call

__all__ = ["DropoutForm"]

#: ``keys`` (batch rows,) int64: the sum of the row's number and the call's; ``least`` is the smallest word kept, and
#: ``chosen`` 0, as an activation's backward reads it.
_FURTHER = "chosen keys least each_step"
_dropout_at = record_at(fields(f"{MAP} {_FURTHER}"))


class DropoutForm(MapForm):
    """Of single numbers, or of whole features of a row; forward leaves by what each number is multiplied."""

    further = _FURTHER

    def __init__(self, call: Call, room: Room) -> None:
        self._keys = room.take(max(room.program.rows, 1), np.uint64)
        super().__init__(call, room)

    def numbers(self) -> Sequence[float]:
        """Return by what kept numbers are multiplied."""
        return (1 / (1 - self.call.options["rate"]),)

    def kept(self) -> int:
        """Return how many numbers there are."""
        return self.most * self.call.inputs[0].features

    def settings(self) -> dict[str, int]:
        """Return what the mask follows from."""
        options = self.call.options
        return {
            "keys": address_of_array(self._keys),
            "least": least_kept(options["rate"]),
            "each_step": bool(options["each_step"]),
        }

    def backward(self) -> list[Task]:
        """Return the one task, the same as an activation's: dx = dy times what forward left."""
        return [Task("forms.activation", f"backward_{self.room.dtype}", one.record) for one in super().backward()]

    def draw(self, rows: Array, call: Array) -> None:
        """Set the keys of a run: the sums of the rows' numbers and the call's, which may go beyond 64 bits."""
        np.add(rows[:, 0], call, out=self._keys[: len(rows)])


@compiled
def _draw(count: Any, first: Any, key: Any, least: Any, scale: Any, x: Any, y: Any, kept: Any) -> None:
    """Multiply numbers of a row, of which the first stands at a place, by what its mask says."""
    separate()
    low, high = np.uint32(key), np.uint32(key >> np.uint64(32))
    zero = x.dtype.type(0)
    for j in range(count):
        factor = scale if mix(np.uint32(first + j), low, high) >= least else zero
        kept[j] = factor
        y[j] = x[j] * factor


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _dropout_at(address)
    frame, n = frame_at(p.frame), p.features
    order, keys = integers_at(frame.order, frame.rows), integers_at(p.keys, 1)
    counts, offsets = integers_at(frame.counts, frame.steps + 1), integers_at(frame.offsets, frame.steps + 1)
    scale, least = dtype(array_at(p.numbers, 1, np.float64)[0]), np.uint32(p.least)
    size = size_of(dtype)
    for t in range(frame.steps if p.sequence else 1):
        rows, at = (counts[t], offsets[t]) if p.sequence else (frame.rows, 0)
        first = t * n if p.each_step else 0
        for k in range(rows):
            down = size * (at + k) * n
            _draw(
                n, first, np.uint64(keys[order[k]]), least, scale, array_at(p.x + down, n, dtype),
                array_at(p.y + down, n, dtype), array_at(p.kept + down, n, dtype),
            )  # fmt: skip


def forward_float32(address: Any) -> None:
    """Draw the mask, and write the output."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Draw the mask, and write the output."""
    _forward(address, np.float64)
