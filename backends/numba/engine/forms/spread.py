"""A row's vector as each of its steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import clear, copy, size_of
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, record_at, uint
from lamina.backends.program import Call

__all__ = ["SpreadForm"]

_spread_at = record_at(fields(f"{MAP} "))


class SpreadForm(MapForm):
    """Those rows that have a step stand in it as the vectors do."""

    @staticmethod
    def refuses(call: Call) -> str:
        """Return why a call has no compiled form."""
        return "" if call.inputs[0].frame is None else "of steps"


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _spread_at(address)
    frame, n, size = frame_at(p.frame), p.features, size_of(dtype)
    counts, offsets = integers_at(frame.counts, frame.steps + 1), integers_at(frame.offsets, frame.steps + 1)
    for t in range(frame.steps):
        copy(counts[t] * n, p.x, p.y + size * offsets[t] * n, dtype)


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _spread_at(address)
    frame, n = frame_at(p.frame), p.features
    counts, offsets = integers_at(frame.counts, frame.steps + 1), integers_at(frame.offsets, frame.steps + 1)
    clear(frame.rows * n, p.dx, dtype)
    dx, dy = array_at(p.dx, frame.rows * n, dtype), array_at(p.dy, frame.total * n, dtype)
    for t in range(frame.steps):
        first = offsets[t] * n
        for k in range(counts[t] * n):
            dx[k] += dy[uint(first + k)]


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
