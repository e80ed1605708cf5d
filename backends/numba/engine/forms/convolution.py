"""Convolution over packed steps: a product for each step of a window, over the rows that have it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import add_columns, clear, copy, pack, product, size_of
from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, record_at
from lamina.backends.numba.engine.products import packed_size
from lamina.backends.numba.engine.room import Room, Task
from lamina.backends.program import Call

__all__ = ["ConvolutionForm"]

#: ``source`` is the frame of x, ``frame`` that of y. ``panel`` is how many bytes the packed weights of one step of a
#: window have in backward.
_CONVOLUTION = fields(
    "source frame features units size stride dilation before x y w b dx dy dw db packed back panel left"
)
_convolution_at = record_at(_CONVOLUTION)

# So many rows are taken at a time, where steps have alike rows: a product of few is slow.
_TOGETHER = 256
_FORWARD, _INPUT, _WEIGHTS = range(3)


class ConvolutionForm(Form):
    """A convolution without groups."""

    @staticmethod
    def refuses(call: Call) -> str:
        """Return why a call has no compiled form."""
        return "" if call.inputs[0].frame is not None else "of no steps"

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        (x,), (y,), weights, options = call.inputs, call.outputs, call.weights, call.options
        self.record = room.record(
            _CONVOLUTION, source=room.frame(x.frame), frame=room.frame(y.frame), features=x.features, units=y.features,
            size=options["size"], stride=options["stride"], dilation=options["dilation"], before=options["before"],
            x=room.value(x), y=room.value(y), w=room.weights(weights["w"]), b=room.weights(weights.get("b")),
            packed=room.floats(packed_size(options["size"] * x.features, y.features, room.dtype)),
        )  # fmt: skip

    def forward(self) -> list[Task]:
        """Return the one task."""
        return [self.task("forward", self.record)]

    def backward(self) -> list[Task]:
        """Return the one task, if a gradient comes and one is wanted."""
        (x,), (y,), room, record = self.call.inputs, self.call.outputs, self.room, self.record
        record["dy"] = room.upstream(y)
        if not record["dy"]:
            return []
        record["dw"] = room.gradient_of(self.call.weights["w"])
        record["db"] = room.gradient_of(self.call.weights.get("b"))
        record["dx"] = room.downstream(x)
        record["left"] = room.floats(packed_size(max(_TOGETHER, room.rows), y.features, room.dtype))
        if record["dx"]:
            panel = packed_size(y.features, x.features, room.dtype)
            record["panel"] = panel * room.size
            record["back"] = room.floats(panel * self.call.options["size"])
        return [self.task("backward", record)] if record["dw"] or record["db"] or record["dx"] else []


@compiled
def _piece(p: Any, what: Any, rows: Any, i: Any, source: Any, target: Any, first: Any, height: Any, dtype: Any) -> None:
    """Multiply so many rows, from a packed row of x and one of y on, by the weights of step ``i``, or by each other."""
    size, f, u = size_of(dtype), p.features, p.units
    x, y = size * source * f, size * target * u
    if what == _FORWARD:
        product(rows, u, f, p.x + x, f, 1, p.packed, i * f, p.size * f, p.y + y, u, 1, dtype)
    elif what == _INPUT:
        product(rows, f, u, p.dy + y, u, 1, p.back + i * p.panel, 0, u, p.dx + x, f, 1, dtype)
    else:
        product(f, u, rows, p.x + x, 1, f, p.left, first, height, p.dw + size * i * f * u, u, 1, dtype)


@compiled
def _visit(p: Any, what: Any, dtype: Any) -> None:
    source, frame, size, u = frame_at(p.source), frame_at(p.frame), size_of(dtype), p.units
    had, begins = integers_at(source.counts, source.steps + 1), integers_at(source.offsets, source.steps + 1)
    counts, offsets = integers_at(frame.counts, frame.steps + 1), integers_at(frame.offsets, frame.steps + 1)
    t = 0
    while t < frame.steps:
        rows, stop = counts[t], t + 1
        while p.stride == 1 and stop < frame.steps and counts[stop] == rows and (stop - t + 1) * rows <= _TOGETHER:
            stop += 1
        height, at = (stop - t) * rows, offsets[t]
        if what == _FORWARD:
            for k in range(at, at + height):
                if p.b != 0:
                    copy(u, p.b, p.y + size * k * u, dtype)
                else:
                    clear(u, p.y + size * k * u, dtype)
        elif what == _WEIGHTS:
            pack(height, u, p.dy + size * at * u, u, 1, p.left, 0, height, dtype)
        for i in range(p.size):
            first = t * p.stride - p.before + i * p.dilation
            k, last = max(0, -first), min(stop - t, source.steps - first)
            while k < last:
                own, alike = had[first + k], 1
                while own == rows and k + alike < last and had[first + k + alike] == rows:
                    alike += 1
                some = alike * min(own, rows)
                _piece(p, what, some, i, begins[first + k], at + k * rows, k * rows, height, dtype)
                k += alike
        t = stop


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _convolution_at(address)
    depth = p.size * p.features
    pack(depth, p.units, p.w, p.units, 1, p.packed, 0, depth, dtype)
    _visit(p, _FORWARD, dtype)


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _convolution_at(address)
    total, f, u = frame_at(p.frame).total, p.features, p.units
    if p.dw != 0:
        _visit(p, _WEIGHTS, dtype)
    if p.db != 0:
        add_columns(total, u, u, array_at(p.dy, total * u, dtype), array_at(p.db, u, dtype))
    if p.dx != 0:
        for i in range(p.size):
            pack(u, f, p.w + size_of(dtype) * i * f * u, 1, u, p.back + i * p.panel, 0, u, dtype)
        clear(frame_at(p.source).total * f, p.dx, dtype)
        _visit(p, _INPUT, dtype)


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
