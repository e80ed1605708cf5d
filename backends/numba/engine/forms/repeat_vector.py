"""A row's vector as each of its steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import clear, copy, size_of
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, record_at
from lamina.backends.program import Call

__all__ = ["RepeatVectorForm"]

_repeat_at = record_at(fields(f"{MAP} "))


class RepeatVectorForm(MapForm):
    """All rows have all steps, so that those of one step stand as the vectors do."""

    @staticmethod
    def refuses(call: Call) -> str:
        """Return why a call has no compiled form."""
        return "" if call.inputs[0].frame is None else "of steps"


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _repeat_at(address)
    frame = frame_at(p.frame)
    count = frame.rows * p.features
    for t in range(frame.steps):
        copy(count, p.x, p.y + size_of(dtype) * t * count, dtype)


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _repeat_at(address)
    frame = frame_at(p.frame)
    count = frame.rows * p.features
    clear(count, p.dx, dtype)
    dx, dy = array_at(p.dx, count, dtype), array_at(p.dy, count * frame.steps, dtype)
    for t in range(frame.steps):
        for k in range(count):
            dx[k] += dy[t * count + k]


def forward_float32(address: Any) -> None:
    """Write the output."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Write the output."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Write the gradient of the vectors."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Write the gradient of the vectors."""
    _backward(address, np.float64)
