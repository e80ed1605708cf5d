"""Values side by side along their features."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, uint
from lamina.backends.numba.engine.room import Room, Task
from lamina.backends.program import Call

__all__ = ["ConcatenateForm"]

#: One of the values: ``features`` columns of ``across``, from ``first`` on.
_PART = fields("frame sequence features across first x y dx dy")
_part_at = record_at(_PART)


class ConcatenateForm(Form):
    """A task for each value."""

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        (y,), first = call.outputs, 0
        self.records = []
        for x in call.inputs:
            self.records.append(
                room.record(
                    _PART,
                    features=x.features,
                    across=y.features,
                    first=first,
                    x=room.value(x),
                    y=room.value(y),
                    **room.extent(y),
                )
            )
            first += x.features

    def forward(self) -> list[Task]:
        """Return what copies each value."""
        return [self.task("forward", record) for record in self.records]

    def backward(self) -> list[Task]:
        """Return what copies each value's part of the gradient, if there is one."""
        dy = self.room.upstream(self.call.outputs[0])
        if not dy:
            return []
        for x, record in zip(self.call.inputs, self.records, strict=True):
            record["dy"], record["dx"] = dy, self.room.downstream(x)
        return [self.task("backward", record) for record in self.records if record["dx"]]


@compiled
def _into(rows: Any, features: Any, across: Any, first: Any, part: Any, whole: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(features):
            whole[uint(k * across + first + j)] = part[uint(k * features + j)]


@compiled
def _out_of(rows: Any, features: Any, across: Any, first: Any, part: Any, whole: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(features):
            part[uint(k * features + j)] = whole[uint(k * across + first + j)]


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _part_at(address)
    rows = rows_of(p)
    part, whole = array_at(p.x, rows * p.features, dtype), array_at(p.y, rows * p.across, dtype)
    _into(rows, p.features, p.across, p.first, part, whole)


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _part_at(address)
    rows = rows_of(p)
    part, whole = array_at(p.dx, rows * p.features, dtype), array_at(p.dy, rows * p.across, dtype)
    _out_of(rows, p.features, p.across, p.first, part, whole)


def forward_float32(address: Any) -> None:
    """Copy the value into its place."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Copy the value into its place."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Copy its gradient out."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Copy its gradient out."""
    _backward(address, np.float64)
