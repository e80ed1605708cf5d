"""What forms of recurrences share: where their states lie, before the first step and after the last, and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.numba.engine.forms.form import Form
from lamina.backends.numba.engine.room import Room, address_of_array
from lamina.backends.program import Call

__all__ = ["StatesForm"]

_TABLES = "firsts", "lasts", "dlasts", "dfirsts"


class StatesForm(Form):
    """A recurrence over all steps of a block's rows: of x, first states or none, and a mask of h where there is one.

    It gives h of all steps, where that is asked for, and the last states, of which h is the first.

    Attributes
    ----------
    names : tuple of str
        Of the weights.
    cells : int
        How many states there are beside h.
    recomputes : bool
        Whether the way back of a kernel by itself runs forward once more, where it is the second one or rows are few.
    record : (1,) structured array
        Made by subclasses, with `addresses` among what is in it.
    """

    names: tuple[str, ...] = ()
    cells = 0
    recomputes = False
    record: Array

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        states = list(call.inputs[1:])
        self._mask = states.pop() if call.options.get("state_mask") else None
        own = len(call.outputs) - self.cells
        *sequence, last = call.outputs[:own]
        self._y = sequence[0] if sequence else None
        self._last, self._lasts, self._states = last, call.outputs[own:], states
        #: The addresses of states beside h.
        self.tables = {name: room.take(max(self.cells, 1), np.int64) for name in _TABLES}
        self.tables["lasts"][: self.cells] = [room.value(one) for one in self._lasts]
        if states:
            self.tables["firsts"][: self.cells] = [room.value(one) for one in states[1:]]

    def addresses(self) -> dict[str, Any]:
        """Return the fields of a record that say where x and the states lie, and how they are read."""
        call, room, x = self.call, self.room, self.call.inputs[0]
        return {
            "frame": room.frame(x.frame),
            "features": x.features,
            "units": self._last.features,
            "reverse": bool(call.options.get("reverse")),
            "relu": call.options.get("activation") == "relu",
            "x": room.value(x),
            "y": room.value(self._y) if self._y else 0,
            "h": room.value(self._states[0]) if self._states else 0,
            "last": room.value(self._last),
            **{name: address_of_array(table) for name, table in self.tables.items()},
        }

    def take_gradients(self) -> bool:
        """Write into the record where gradients come from and go to; return whether any come, else nothing runs."""
        call, room, record = self.call, self.room, self.record
        record["dy"] = room.upstream(self._y) if self._y else 0
        record["dlast"] = room.upstream(self._last)
        self.tables["dlasts"][: self.cells] = [room.upstream(one) for one in self._lasts]
        if not (record["dy"] or record["dlast"] or self.tables["dlasts"].any()):
            return False
        for name in self.names:
            record[f"d{name}"] = room.gradient_of(call.weights.get(name))
        record["dx"] = room.downstream(call.inputs[0])
        if self._states:
            record["dh_first"] = room.downstream(self._states[0])
            self.tables["dfirsts"][: self.cells] = [room.downstream(one) for one in self._states[1:]]
        return True
