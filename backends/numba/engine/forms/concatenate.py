"""Values side by side along their features."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import copy_rows, size_of
from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import compiled, record_at
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
def _forward(address: Any, dtype: Any) -> None:
    p = _part_at(address)
    copy_rows(rows_of(p), p.features, p.x, p.features, p.y + size_of(dtype) * p.first, p.across, dtype)


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _part_at(address)
    copy_rows(rows_of(p), p.features, p.dy + size_of(dtype) * p.first, p.across, p.dx, p.features, dtype)


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
