"""What a compiled form of a kernel is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from lamina.backends.numba.engine.memory import fields
from lamina.backends.numba.engine.room import Room, Task
from lamina.backends.program import Call

__all__ = ["Form", "fields"]


class Form(ABC):
    """A kernel of a program, for one block of its rows.

    It takes its memory when it is made, and says which compiled functions run. Its functions stand in the same file:
    module-level, (address of its record), once for each dtype, named with the dtype at the end.

    Parameters
    ----------
    call : Call
    room : Room
    """

    def __init__(self, call: Call, room: Room) -> None:
        self.call = call
        self.room = room

    @staticmethod
    def refuses(call: Call) -> str:
        """Return why a call has no compiled form; empty where it has one."""
        return ""

    @abstractmethod
    def forward(self) -> list[Task]:
        """Return what runs forward; asked once, in the order of the calls."""

    @abstractmethod
    def backward(self) -> list[Task]:
        """Return what runs backward; asked once, in the opposite order, when all that reads the outputs was asked."""

    def task(self, name: str, record: Any) -> Task:
        """Return the call of a function of this form's file, of the program's dtype."""
        module = type(self).__module__.removeprefix("lamina.backends.numba.engine.")
        return Task(module, f"{name}_{self.room.dtype}", record)
