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
from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.products import packed_size
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.program import Call

__all__ = ["SCAN", "ScanForm", "scan_fields"]

#: Sizes in elements, addresses in bytes. ``width`` is the size of the state that goes on: h, or the last one of
#: ``firsts``, of which ``count`` are there. Of each row of all steps there are ``columns`` numbers in ``gates``, whose
#: first ``wide`` ones are products, and the state after it in ``states``. ``start`` has the states before the first
#: step. On the way back there are ``da``, gradients of the products of a chunk, ``carried``, that of the state, and a
#: ``row`` of sums.
SCAN = (
    "frame features units width columns wide reverse relu x y h last count firsts lasts dlasts dfirsts dx dy dlast "
    "dh_first start states gates packed da carried row chunk back"
)
_TABLES = "firsts", "lasts", "dlasts", "dfirsts"


def scan_fields(form: type[ScanForm]) -> np.dtype[np.void]:
    """Return the dtype of a form's record: with its weights, their gradients, and what is its own."""
    return fields(" ".join((SCAN, *form.names, *(f"d{name}" for name in form.names), form.further)))


class ScanForm(Form):
    """A recurrence of each unit by itself, over all steps of a block's rows.

    Attributes
    ----------
    names : tuple of str
        Of the weights.
    wide, columns : int
        How many numbers of each unit are products, and how many are kept of a step; 0 where products lie where the
        states after the steps will.
    cells : int
        How many states there are beside h; the last one is what goes on.
    further : str
        The fields of its record that are its own.
    prefix : str
        What the names of its functions begin with.
    recomputes : bool
        As for `lamina.backends.numba.engine.forms.recurrent.RecurrentForm`: never.
    """

    names: tuple[str, ...] = ("w_x", "b")
    wide = 1
    columns = 0
    cells = 0
    further = ""
    prefix = ""
    recomputes = False

    def __init__(self, call: Call, room: Room) -> None:
        super().__init__(call, room)
        x, *states = call.inputs
        own = len(call.outputs) - self.cells
        *sequence, last = call.outputs[:own]
        self._y = sequence[0] if sequence else None
        self._last, self._lasts, self._states = last, call.outputs[own:], states
        units, most = last.features, room.most(x)
        width = self._lasts[-1].features if self._lasts else units
        wide = self.wide * units
        #: The addresses of states beside h.
        self.tables = {name: room.take(max(self.cells, 1), np.int64) for name in _TABLES}
        self.tables["lasts"][: self.cells] = [room.value(one) for one in self._lasts]
        if states:
            self.tables["firsts"][: self.cells] = [room.value(one) for one in states[1:]]
        after = room.value(self._y) if self._y and not self.cells else room.floats(most * width)
        self.record = room.record(
            scan_fields(type(self)),
            frame=room.frame(x.frame), features=x.features, units=units, width=width, wide=wide,
            columns=self.columns * units or width, reverse=bool(call.options.get("reverse")),
            relu=call.options.get("activation") == "relu", x=room.value(x),
            y=room.value(self._y) if self._y else 0, h=room.value(states[0]) if states else 0, last=room.value(last),
            count=self.cells, **{name: address_of_array(table) for name, table in self.tables.items()},
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
        call, room, record, x = self.call, self.room, self.record, self.call.inputs[0]
        record["dy"] = room.upstream(self._y) if self._y else 0
        record["dlast"] = room.upstream(self._last)
        self.tables["dlasts"][: self.cells] = [room.upstream(one) for one in self._lasts]
        if not (record["dy"] or record["dlast"] or self.tables["dlasts"].any()):
            return []
        for name in self.names:
            record[f"d{name}"] = room.gradient_of(call.weights.get(name))
        record["dx"] = room.downstream(x)
        if self._states:
            record["dh_first"] = room.downstream(self._states[0])
            self.tables["dfirsts"][: self.cells] = [room.downstream(one) for one in self._states[1:]]
        wide, width = int(record["wide"][0]), int(record["width"][0])
        record["da"] = room.floats((CHUNK + room.rows) * wide)
        record["carried"] = room.floats(room.rows * width)
        record["row"] = room.floats(wide)
        record["chunk"] = room.floats(packed_size(CHUNK, wide, room.dtype))
        if record["dx"]:
            record["back"] = room.floats(packed_size(wide, x.features, room.dtype))
        return [self.task("backward", record)]
