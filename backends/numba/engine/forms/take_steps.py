"""A row's steps without the first ones, or without the last ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import clear, copy, size_of
from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import compiled, integers_at, record_at
from lamina.backends.numba.engine.room import Room, Task
from lamina.backends.program import Call

__all__ = ["TakeStepsForm"]

#: ``source`` and ``frame`` are the frames of x and y; ``start`` is the step of x that is y's first one.
_TAKEN = fields("source frame features start x y dx dy")
_taken_at = record_at(_TAKEN)


class TakeStepsForm(Form):
    """The output's frame says how many steps are left."""

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        (x,), (y,) = call.inputs, call.outputs
        self.record = room.record(
            _TAKEN, source=room.frame(x.frame), frame=room.frame(y.frame), features=x.features,
            start=call.options["start"], x=room.value(x), y=room.value(y),
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
def _move(p: Any, whole: Any, taken: Any, back: Any, dtype: Any) -> None:
    """Copy the steps taken out of all, or back."""
    source, frame, size = frame_at(p.source), frame_at(p.frame), size_of(dtype) * p.features
    offsets, counts = integers_at(frame.offsets, frame.steps + 1), integers_at(frame.counts, frame.steps + 1)
    starts = integers_at(source.offsets, source.steps + 1)
    for t in range(frame.steps):
        own, other = taken + size * offsets[t], whole + size * starts[t + p.start]
        if back:
            copy(counts[t] * p.features, own, other, dtype)
        else:
            copy(counts[t] * p.features, other, own, dtype)


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _taken_at(address)
    _move(p, p.x, p.y, False, dtype)


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _taken_at(address)
    clear(frame_at(p.source).total * p.features, p.dx, dtype)
    _move(p, p.dx, p.dy, True, dtype)


def forward_float32(address: Any) -> None:
    """Take the steps."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Take the steps."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Write the gradient of all steps."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Write the gradient of all steps."""
    _backward(address, np.float64)
