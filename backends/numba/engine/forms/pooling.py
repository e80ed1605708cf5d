"""A row's steps as one: one of them, their mean, or their maximum."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import clear, copy, size_of
from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, record_at, uint
from lamina.backends.numba.engine.room import Room, Task
from lamina.backends.program import Call

__all__ = ["PoolingForm"]

_ONE, _MEAN, _MOST = range(3)
_WHICH = {"select_step": _ONE, "global_average_pool": _MEAN, "global_max_pool": _MOST}

#: ``index`` is the step taken, from the end where it is negative; ``places`` (rows, features) int64 are the steps of
#: the maxima.
_POOLING = fields("frame features which index x y dx dy places")
_pooling_at = record_at(_POOLING)


class PoolingForm(Form):
    """One of the three; an empty row gives 0."""

    @staticmethod
    def refuses(call: Call) -> str:
        """Return why a call has no compiled form."""
        return "" if call.inputs[0].frame is not None else "of no steps"

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        (x,), (y,), which = call.inputs, call.outputs, _WHICH[call.kernel]
        self.record = room.record(
            _POOLING, frame=room.frame(x.frame), features=x.features, which=which, x=room.value(x), y=room.value(y),
            index=call.options.get("index", 0),
            places=room.integers(room.rows * x.features) if which == _MOST else 0,
        )  # fmt: skip

    def forward(self) -> list[Task]:
        """Return the one task."""
        return [self.task("forward", self.record)]

    def backward(self) -> list[Task]:
        """Return the one task, if a gradient comes and one is wanted."""
        (x,), (y,), record = self.call.inputs, self.call.outputs, self.record
        record["dy"] = self.room.upstream(y)
        record["dx"] = self.room.downstream(x) if record["dy"] else 0
        return [self.task("backward", record)] if record["dx"] else []


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _pooling_at(address)
    frame, n, which, size = frame_at(p.frame), p.features, p.which, size_of(dtype)
    counts, offsets = integers_at(frame.counts, frame.steps + 1), integers_at(frame.offsets, frame.steps + 1)
    lengths = integers_at(frame.lengths, frame.rows)
    if which == _ONE:
        for k in range(frame.rows):
            own, step = p.y + size * k * n, p.index if p.index >= 0 else lengths[k] + p.index
            if 0 <= step < lengths[k]:
                copy(n, p.x + size * n * (offsets[step] + k), own, dtype)
            else:
                clear(n, own, dtype)
        return
    clear(frame.rows * n, p.y, dtype)
    x, y = array_at(p.x, frame.total * n, dtype), array_at(p.y, frame.rows * n, dtype)
    places = integers_at(p.places, frame.rows * n)
    for t in range(frame.steps):
        first = offsets[t] * n
        if which == _MEAN:
            for k in range(counts[t] * n):
                y[k] += x[uint(first + k)]
        elif t == 0:
            for k in range(counts[t] * n):
                y[k], places[k] = x[k], 0
        else:
            for k in range(counts[t] * n):
                v, best = x[uint(first + k)], y[k]
                if v > best or (v != v and best == best):
                    y[k], places[k] = v, t
    if which == _MEAN:
        for k in range(frame.rows):
            share = dtype(1) / dtype(max(lengths[k], 1))
            for j in range(n):
                y[uint(k * n + j)] *= share


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _pooling_at(address)
    frame, n, which = frame_at(p.frame), p.features, p.which
    counts, offsets = integers_at(frame.counts, frame.steps + 1), integers_at(frame.offsets, frame.steps + 1)
    lengths = integers_at(frame.lengths, frame.rows)
    dx, dy = array_at(p.dx, frame.total * n, dtype), array_at(p.dy, frame.rows * n, dtype)
    if which == _MEAN:
        for t in range(frame.steps):
            for k in range(counts[t]):
                share, own = dtype(1) / dtype(lengths[k]), (offsets[t] + k) * n
                for j in range(n):
                    dx[uint(own + j)] = dy[uint(k * n + j)] * share
        return
    clear(frame.total * n, p.dx, dtype)
    places = integers_at(p.places, frame.rows * n)
    for k in range(frame.rows):
        for j in range(n):
            step = p.index if p.index >= 0 else lengths[k] + p.index
            step = places[uint(k * n + j)] if which == _MOST else step
            if 0 <= step < lengths[k]:
                dx[uint((offsets[step] + k) * n + j)] = dy[uint(k * n + j)]


def forward_float32(address: Any) -> None:
    """Write the output."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Write the output."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Write the gradient of the steps."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Write the gradient of the steps."""
    _backward(address, np.float64)
