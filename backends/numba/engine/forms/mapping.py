"""What forms share whose output has a row for each row of their one input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.program import Call

__all__ = ["MAP", "MapForm"]

#: ``x`` (rows, features), ``y`` (rows, units), and their gradients ``dx`` and ``dy``; ``kept`` is what forward leaves
#: for backward, and ``numbers`` the address of a few float64: the options.
MAP = "frame sequence features units x y dx dy kept numbers"


class MapForm(Form):
    """A kernel that takes each row by itself; its functions are ``forward`` and ``backward``.

    Attributes
    ----------
    further : str
        The fields of its record beside those of MAP.
    """

    further = ""

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        (x,), (y,) = call.inputs, call.outputs
        frame = x if x.frame is not None else y
        self.most = room.most(frame)
        numbers = room.take(8, np.float64)
        given = self.numbers()
        numbers[: len(given)] = given
        self.record = room.record(
            fields(f"{MAP} {self.further}"),
            features=x.features,
            units=y.features,
            x=room.value(x),
            y=room.value(y),
            kept=room.floats(self.kept()),
            numbers=address_of_array(numbers),
            **room.extent(frame),
            **self.settings(),
        )

    def numbers(self) -> Sequence[float]:
        """Return the options that are numbers, at most 8."""
        return ()

    def kept(self) -> int:
        """Return how many numbers forward leaves for backward."""
        return 0

    def settings(self) -> dict[str, int]:
        """Return what the further fields are."""
        return {}

    def gradients(self) -> dict[str, int]:
        """Return where gradients of weights are added, by the fields of the record."""
        return {}

    def forward(self) -> list[Task]:
        """Return the one task."""
        return [self.task("forward", self.record)]

    def backward(self) -> list[Task]:
        """Return the one task, or none where no gradient comes, or none is wanted."""
        (x,), (y,), record = self.call.inputs, self.call.outputs, self.record
        record["dy"] = self.room.upstream(y)
        if not record["dy"]:
            return []
        added = self.gradients()
        for name, place in added.items():
            record[name] = place
        record["dx"] = self.room.downstream(x)
        return [self.task("backward", record)] if record["dx"] or any(added.values()) else []
