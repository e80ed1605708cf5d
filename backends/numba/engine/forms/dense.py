"""Dense: y = x w + b."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import CHUNK, add_columns, add_product, add_row, pack, product
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at
from lamina.backends.numba.engine.products import packed_size
from lamina.backends.numba.engine.room import Task

__all__ = ["DenseForm"]

#: ``packed`` and ``back`` are room for the weights as `product` reads them, for forward and for the gradient of x.
_FURTHER = "w b dw db packed back"
_dense_at = record_at(fields(f"{MAP} {_FURTHER}"))


class DenseForm(MapForm):
    """An affine map of the last axis."""

    further = _FURTHER

    def settings(self) -> dict[str, int]:
        """Return the weights, and room for them packed."""
        (x,), (y,), weights, room = self.call.inputs, self.call.outputs, self.call.weights, self.room
        return {
            "w": room.weights(weights["w"]),
            "b": room.weights(weights.get("b")),
            "packed": room.floats(max(packed_size(depth, y.features, room.dtype) for depth in (x.features, CHUNK))),
        }

    def gradients(self) -> dict[str, int]:
        """Return where those of the weights are added."""
        weights, room = self.call.weights, self.room
        return {"dw": room.gradient_of(weights["w"]), "db": room.gradient_of(weights.get("b"))}

    def backward(self) -> list[Task]:
        """Return the one task, if a gradient comes and one is wanted."""
        tasks = super().backward()
        if self.record["dx"]:
            (x,), (y,), room = self.call.inputs, self.call.outputs, self.room
            self.record["back"] = room.floats(packed_size(y.features, x.features, room.dtype))
        return tasks


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _dense_at(address)
    rows, units = rows_of(p), p.units
    pack(p.features, units, p.w, units, 1, p.packed, 0, p.features, dtype)
    product(rows, units, p.features, p.x, p.features, 1, p.packed, 0, p.features, p.y, units, 0, dtype)
    if p.b:
        add_row(rows, units, array_at(p.b, units, dtype), array_at(p.y, rows * units, dtype))


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _dense_at(address)
    rows, units = rows_of(p), p.units
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
