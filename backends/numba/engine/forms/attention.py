"""Attention over packed steps: those of one row after the other side by side, then as the pass does it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import copy, size_of
from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import compiled, integers_at, record_at
from lamina.backends.numba.engine.passes.attention import RECORD, attend, attend_back, places
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.program import Call

__all__ = ["AttentionForm"]

#: ``inner`` is the address of the pass's record, for one row; ``kept`` has two numbers for each query of each head and
#: row, of which there are ``most`` steps.
_ATTENTION = fields("frame inner heads units most kept q k v y dq dk dv dy")
_attention_at, _inner_at = record_at(_ATTENTION), record_at(RECORD)


class AttentionForm(Form):
    """Attention of a sequence to itself."""

    @staticmethod
    def refuses(call: Call) -> str:
        """Return why a call has no compiled form."""
        frame = call.inputs[0].frame
        if frame is None or any(one.frame != frame for one in call.inputs):
            return "of no steps" if frame is None else "to another sequence"
        return ""

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        q, heads = call.inputs[0], call.options["heads"]
        units, steps = q.features, room.program.frames[q.frame or 0].steps
        across, begins, total = places(steps, units // heads)
        scratch = room.floats(total)
        self.inner = room.record(
            RECORD, last=1, heads=heads, width=units // heads, causal=call.options["causal"], across=across,
            **{f"{name}_step": units for name in ("q", "k", "v", "dy")},
            **{name: room.floats(steps * units) for name in ("q", "k", "v", "y")},
            **{name: scratch + room.size * place for name, place in begins},
        )  # fmt: skip
        self.record = room.record(
            _ATTENTION, frame=room.frame(q.frame), inner=address_of_array(self.inner), heads=heads, units=units,
            most=steps, kept=room.floats(2 * room.rows * heads * steps), y=room.value(call.outputs[0]),
            **{name: room.value(value) for name, value in zip("qkv", call.inputs, strict=True)},
        )  # fmt: skip

    def forward(self) -> list[Task]:
        """Return the one task."""
        return [self.task("forward", self.record)]

    def backward(self) -> list[Task]:
        """Return the one task, if a gradient comes and one is wanted."""
        room, record, call = self.room, self.record, self.call
        record["dy"] = room.upstream(call.outputs[0])
        if not record["dy"]:
            return []
        for name, value in zip(("dq", "dk", "dv"), call.inputs, strict=True):
            record[name] = room.downstream(value)
        if not any(record[name] for name in ("dq", "dk", "dv")):
            return []
        for name in ("dq", "dk", "dv", "dy"):
            self.inner[name] = room.floats(int(record["most"][0]) * int(record["units"][0]))
        return [self.task("backward", record)]


@compiled
def _gather(p: Any, k: Any, steps: Any, packed: Any, row: Any, dtype: Any) -> None:
    size, offsets = size_of(dtype) * p.units, integers_at(frame_at(p.frame).offsets, steps)
    for t in range(steps):
        copy(p.units, packed + size * (offsets[t] + k), row + size * t, dtype)


@compiled
def _scatter(p: Any, k: Any, steps: Any, row: Any, packed: Any, dtype: Any) -> None:
    size, offsets = size_of(dtype) * p.units, integers_at(frame_at(p.frame).offsets, steps)
    for t in range(steps):
        copy(p.units, row + size * t, packed + size * (offsets[t] + k), dtype)


@compiled
def _take(p: Any, k: Any, steps: Any, dtype: Any) -> None:
    """Lay q, k and v of a row side by side, and say where what is kept of it lies."""
    own = _inner_at(p.inner)
    own.time, own.kept = steps, p.kept + 2 * size_of(dtype) * k * p.heads * p.most
    _gather(p, k, steps, p.q, own.q, dtype)
    _gather(p, k, steps, p.k, own.k, dtype)
    _gather(p, k, steps, p.v, own.v, dtype)


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _attention_at(address)
    frame, own = frame_at(p.frame), _inner_at(p.inner)
    lengths = integers_at(frame.lengths, frame.rows)
    for k in range(frame.rows):
        _take(p, k, lengths[k], dtype)
        attend(p.inner, dtype)
        _scatter(p, k, lengths[k], own.y, p.y, dtype)


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _attention_at(address)
    frame, own = frame_at(p.frame), _inner_at(p.inner)
    lengths = integers_at(frame.lengths, frame.rows)
    for k in range(frame.rows):
        steps = lengths[k]
        _take(p, k, steps, dtype)
        _gather(p, k, steps, p.y, own.y, dtype)
        _gather(p, k, steps, p.dy, own.dy, dtype)
        attend_back(p.inner, dtype)
        for inner, outer in ((own.dq, p.dq), (own.dk, p.dk), (own.dv, p.dv)):
            if outer != 0:
                _scatter(p, k, steps, inner, outer, dtype)


def forward_float32(address: Any) -> None:
    """Compute the output."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Compute the output."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Write the gradients."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Write the gradients."""
    _backward(address, np.float64)
