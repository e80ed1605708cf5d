"""Sum, difference, product and quotient of two values of one shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate
from lamina.backends.numba.engine.room import Room, Task
from lamina.backends.program import Call

__all__ = ["CombineForm"]

#: y = a + sign b, or their product where ``sign`` is 0, their quotient where it is 2.
_COMBINE = fields("frame sequence features sign a b y da db dy")
_combine_at = record_at(_COMBINE)
_SIGNS = {"add": 1, "subtract": -1, "multiply": 0, "divide": 2}


class CombineForm(Form):
    """Element by element."""

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        (a, b), (y,) = call.inputs, call.outputs
        self.record = room.record(
            _COMBINE, features=y.features, sign=_SIGNS[call.kernel], a=room.value(a), b=room.value(b), y=room.value(y),
            **room.extent(y),
        )  # fmt: skip

    def forward(self) -> list[Task]:
        """Return the one task."""
        return [self.task("forward", self.record)]

    def backward(self) -> list[Task]:
        """Return the one task, if a gradient comes and one is wanted."""
        (a, b), (y,), record = self.call.inputs, self.call.outputs, self.record
        record["dy"] = self.room.upstream(y)
        if not record["dy"]:
            return []
        record["da"], record["db"] = self.room.downstream(a), self.room.downstream(b)
        return [self.task("backward", record)] if record["da"] or record["db"] else []


@compiled
def _combine(count: Any, sign: Any, a: Any, b: Any, y: Any) -> None:
    separate()
    if sign == 2:
        for k in range(count):
            y[k] = a[k] / b[k]
    elif sign > 0:
        for k in range(count):
            y[k] = a[k] + b[k]
    elif sign < 0:
        for k in range(count):
            y[k] = a[k] - b[k]
    else:
        for k in range(count):
            y[k] = a[k] * b[k]


@compiled
def _back(count: Any, sign: Any, dy: Any, other: Any, dx: Any) -> None:
    separate()
    if sign > 0:
        for k in range(count):
            dx[k] = dy[k]
    elif sign < 0:
        for k in range(count):
            dx[k] = -dy[k]
    else:
        for k in range(count):
            dx[k] = dy[k] * other[k]


@compiled
def _quotient(count: Any, dy: Any, b: Any, y: Any, first: Any, dx: Any) -> None:
    """Write the gradient of what is divided, or of what it is divided by."""
    separate()
    if first:
        for k in range(count):
            dx[k] = dy[k] / b[k]
    else:
        for k in range(count):
            dx[k] = -(dy[k] / b[k]) * y[k]


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _combine_at(address)
    count = rows_of(p) * p.features
    _combine(count, p.sign, array_at(p.a, count, dtype), array_at(p.b, count, dtype), array_at(p.y, count, dtype))


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _combine_at(address)
    count = rows_of(p) * p.features
    dy = array_at(p.dy, count, dtype)
    if p.sign == 2:
        b, y = array_at(p.b, count, dtype), array_at(p.y, count, dtype)
        if p.da != 0:
            _quotient(count, dy, b, y, True, array_at(p.da, count, dtype))
        if p.db != 0:
            _quotient(count, dy, b, y, False, array_at(p.db, count, dtype))
        return
    if p.da != 0:
        _back(count, abs(p.sign), dy, array_at(p.b, count, dtype), array_at(p.da, count, dtype))
    if p.db != 0:
        _back(count, p.sign, dy, array_at(p.a, count, dtype), array_at(p.db, count, dtype))


def forward_float32(address: Any) -> None:
    """Combine."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Combine."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Write the gradients of both."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Write the gradients of both."""
    _backward(address, np.float64)
