"""Dense: y = x w + b."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import (
    CHUNK,
    add_columns,
    add_product,
    add_row,
    pack,
    product,
)
from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, record_at
from lamina.backends.numba.engine.products import packed_size
from lamina.backends.numba.engine.room import Room, Task
from lamina.backends.program import Call

__all__ = ["DenseForm"]

_DENSE = fields("frame sequence features units x w b y dy dx dw db packed back")
_dense_at = record_at(_DENSE)


class DenseForm(Form):
    """An affine map of the last axis."""

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        (x,), (y,) = call.inputs, call.outputs
        self.record = room.record(
            _DENSE,
            frame=room.frame(x.frame),
            sequence=x.frame is not None,
            features=x.features,
            units=y.features,
            x=room.value(x),
            y=room.value(y),
            w=room.weights(call.weights["w"]),
            b=room.weights(call.weights.get("b")),
            packed=room.floats(max(packed_size(depth, y.features, room.dtype) for depth in (x.features, CHUNK))),
        )

    def forward(self) -> list[Task]:
        """Return the one task."""
        return [self.task("forward", self.record)]

    def backward(self) -> list[Task]:
        """Return the one task."""
        call, room, record = self.call, self.room, self.record
        (x,), (y,) = call.inputs, call.outputs
        record["dy"] = room.upstream(y)
        record["dw"], record["db"] = room.gradient_of(call.weights["w"]), room.gradient_of(call.weights.get("b"))
        record["dx"] = room.downstream(x)
        if record["dx"]:
            record["back"] = room.floats(packed_size(y.features, x.features, room.dtype))
        return [self.task("backward", record)] if record["dy"] else []


@compiled
def _rows(p: Any) -> Any:
    frame = frame_at(p.frame)
    return frame.total if p.sequence else frame.rows


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _dense_at(address)
    rows, units = _rows(p), p.units
    pack(p.features, units, p.w, units, 1, p.packed, 0, p.features, dtype)
    product(rows, units, p.features, p.x, p.features, 1, p.packed, 0, p.features, p.y, units, 0, dtype)
    if p.b:
        add_row(rows, units, array_at(p.b, units, dtype), array_at(p.y, rows * units, dtype))


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _dense_at(address)
    rows, units = _rows(p), p.units
    if p.dw:
        add_product(rows, p.features, units, p.x, p.features, p.dy, units, p.dw, units, p.packed, dtype)
    if p.db:
        add_columns(rows, units, units, array_at(p.dy, rows * units, dtype), array_at(p.db, units, dtype))
    if p.dx:
        pack(units, p.features, p.w, 1, units, p.back, 0, units, dtype)
        product(rows, p.features, units, p.dy, units, 1, p.back, 0, units, p.dx, p.features, 0, dtype)


def forward_float32(address: Any) -> None:
    """Compute the output."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Compute the output."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Add to the gradients of the weights, and write that of the input."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Add to the gradients of the weights, and write that of the input."""
    _backward(address, np.float64)
