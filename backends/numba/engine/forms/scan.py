"""Recurrences of each unit by itself as forms: what MinGRU, MinLSTM, IndRNN and LRU share.

No weights stand between a step and the next. So the products of all steps come first, a chunk of rows at a time, and
what goes on from step to step is a loop over rows as they lie packed: from the last step to the first, where a layer
reads backwards, as a row begins where its end is. What a step has before it are the rows of the step before, in the
order of reading, and of rows that begin there the first states.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import CHUNK
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.states import StatesForm
from lamina.backends.numba.engine.products import packed_size
from lamina.backends.numba.engine.room import Room, Task
from lamina.backends.program import Call

__all__ = ["ScanForm", "scan_fields"]

#: Sizes in elements, addresses in bytes. ``width`` is the size of the state that goes on: h, or the last one of
#: ``firsts``, of which ``count`` are there. Of each row of all steps there are ``columns`` numbers in ``gates``, whose
#: first ``wide`` ones are products, and the state after it in ``states``. ``start`` has the states before the first
#: step. On the way back there are ``da``, gradients of the products of a chunk, ``carried``, that of the state, and a
#: ``row`` of sums.
_SCAN = (
    "frame features units width columns wide reverse relu x y h last count firsts lasts dlasts dfirsts dx dy dlast "
    "dh_first start states gates packed da carried row chunk back"
)


def scan_fields(form: type[ScanForm]) -> np.dtype[np.void]:
    """Return the dtype of a form's record: with its weights, their gradients, and what is its own."""
    return fields(" ".join((_SCAN, *form.names, *(f"d{name}" for name in form.names), form.further)))


class ScanForm(StatesForm):
    """A recurrence of each unit by itself, over all steps of a block's rows; the last of its states is what goes on.

    Attributes
    ----------
    wide, columns : int
        How many numbers of each unit are products, and how many are kept of a step; 0 where products lie where the
        states after the steps will.
    further : str
        The fields of its record that are its own.
    prefix : str
        What the names of its functions begin with.
    """

    names: tuple[str, ...] = ("w_x", "b")
    wide = 1
    columns = 0
    further = ""
    prefix = ""

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        x, units = call.inputs[0], self._last.features
        most = room.most(x)
        width = self._lasts[-1].features if self._lasts else units
        wide = self.wide * units
        after = room.value(self._y) if self._y and not self.cells else room.floats(most * width)
        self.record = room.record(
            scan_fields(type(self)), **self.addresses(),
            width=width, wide=wide, columns=self.columns * units or width, count=self.cells,
            start=room.floats(room.rows * width), states=after,
            gates=room.floats(most * self.columns * units) if self.columns else after,
            packed=room.floats(packed_size(x.features, wide, room.dtype)),
        )  # fmt: skip
        for name in self.names:
            self.record[name] = room.weights(call.weights.get(name)) or room.floats(wide)

    def task(self, name: str, record: Any) -> Task:
        """Return the call of a function of this form's file, of the program's dtype."""
        return super().task(f"{self.prefix}{name}", record)

    def forward(self) -> list[Task]:
        """Return the one task."""
        return [self.task("forward", self.record)]

    def backward(self) -> list[Task]:
        """Return the one task."""
        if not self.take_gradients():
            return []
        room, record = self.room, self.record
        wide, width, features = (int(record[name][0]) for name in ("wide", "width", "features"))
        record["da"] = room.floats((CHUNK + room.rows) * wide)
        record["carried"] = room.floats(room.rows * width)
        record["row"] = room.floats(wide)
        record["chunk"] = room.floats(packed_size(CHUNK, wide, room.dtype))
        if record["dx"]:
            record["back"] = room.floats(packed_size(wide, features, room.dtype))
        return [self.task("backward", record)]
