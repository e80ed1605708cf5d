"""What is added to each step by its place: sines and cosines."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.generic.attention import sinusoids
from lamina.backends.numba.engine.algebra import copy, size_of
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, record_at, separate, uint
from lamina.backends.numba.engine.room import address_of_array
from lamina.backends.program import Call

__all__ = ["PositionalEncodingForm"]

#: ``table`` (steps, features).
_FURTHER = "table"
_encoded_at = record_at(fields(f"{MAP} {_FURTHER}"))


class PositionalEncodingForm(MapForm):
    """y = x + p, whose gradient goes on as it is."""

    further = _FURTHER

    @staticmethod
    def refuses(call: Call) -> str:
        """Return why a call has no compiled form."""
        return "" if call.inputs[0].frame is not None else "of no steps"

    def settings(self) -> dict[str, int]:
        """Return what is added."""
        (x,), room = self.call.inputs, self.room
        assert x.frame is not None
        steps = room.program.frames[x.frame].steps
        table = room.take(steps * x.features)
        table[:] = sinusoids(steps, x.features).reshape(-1)
        return {"table": address_of_array(table)}


@compiled
def _add(rows: Any, n: Any, x: Any, p: Any, y: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(n):
            y[uint(k * n + j)] = x[uint(k * n + j)] + p[j]


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _encoded_at(address)
    frame, n, size = frame_at(p.frame), p.features, size_of(dtype)
    counts, offsets = integers_at(frame.counts, frame.steps + 1), integers_at(frame.offsets, frame.steps + 1)
    for t in range(frame.steps):
        rows, down = counts[t], size * offsets[t] * n
        x, y = array_at(p.x + down, rows * n, dtype), array_at(p.y + down, rows * n, dtype)
        _add(rows, n, x, array_at(p.table + size * t * n, n, dtype), y)


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _encoded_at(address)
    copy(frame_at(p.frame).total * p.features, p.dy, p.dx, dtype)


def forward_float32(address: Any) -> None:
    """Add the table to each row's steps."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Add the table to each row's steps."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Hand the gradient on."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Hand the gradient on."""
    _backward(address, np.float64)
