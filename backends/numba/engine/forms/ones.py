"""Ones, which stand where they are from the beginning on."""

from __future__ import annotations

from lamina.backends.numba.engine.forms.form import Form
from lamina.backends.numba.engine.room import Room, Task
from lamina.backends.program import Call

__all__ = ["OnesForm"]


class OnesForm(Form):
    """A value of ones: no run writes there."""

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        room.fill(call.outputs[0], 1)

    def forward(self) -> list[Task]:
        """Return nothing."""
        return []

    def backward(self) -> list[Task]:
        """Return nothing."""
        return []
