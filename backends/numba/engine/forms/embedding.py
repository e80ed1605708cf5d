"""Embedding: a row of a table for each id, and the gradient of the rows that are used."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.numba.engine.algebra import copy, size_of
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, record_at
from lamina.backends.numba.engine.room import Task, address_of_array
from lamina.backends.program import Call

__all__ = ["EmbeddingForm"]

#: ``w`` (table, units), and ``dw`` where its whole gradient is added to. Else ``ids`` and ``sums`` are the rows used,
#: ``used`` how many; ``places`` (table,) is 0, and while they are found one more than where an id stands among them.
_FURTHER = "table w dw places ids sums used"
_embedding_at = record_at(fields(f"{MAP} {_FURTHER}"))


class EmbeddingForm(MapForm):
    """Of a table whose gradient is whole, or by rows."""

    further = _FURTHER

    @staticmethod
    def refuses(call: Call) -> str:
        """Return why a call has no compiled form."""
        return "" if call.inputs[0].integers else "of no integers"

    def settings(self) -> dict[str, int]:
        """Return the table, and room for the rows used."""
        call, room = self.call, self.room
        w = call.weights["w"]
        assert w is not None
        rows, units = w.data.shape
        found = {"table": rows, "w": room.weights(w)}
        self._ids, self._sums = room.take(0, np.int64), room.take(0)
        if "table" in call.options:
            self._ids, self._sums = room.take(self.most, np.int64), room.take(self.most * units)
            found |= {"places": room.integers(rows), "ids": address_of_array(self._ids)}
            found |= {"sums": address_of_array(self._sums)}
        return found

    def backward(self) -> list[Task]:
        """Return the one task, if a gradient comes and one is wanted."""
        record, call = self.record, self.call
        record["dy"] = self.room.upstream(call.outputs[0])
        record["dw"] = self.room.gradient_of(call.weights["w"])
        return [self.task("backward", record)] if record["dy"] and (record["dw"] or record["places"]) else []

    def rows(self) -> tuple[Array, Array]:
        """Return copies of the ids used, and of their gradients."""
        used, units = int(self.record["used"][0]), self.call.outputs[0].features
        return self._ids[:used].copy(), self._sums[: used * units].reshape(used, units).copy()


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _embedding_at(address)
    rows, n, size = rows_of(p), p.units, size_of(dtype)
    ids = integers_at(p.x, rows)
    for k in range(rows):
        own = p.y + size * k * n
        if 0 <= ids[k] < p.table:
            copy(n, p.w + size * ids[k] * n, own, dtype)
        else:  # seen as what it is: data are checked before they come here
            out = array_at(own, n, dtype)
            for j in range(n):
                out[j] = np.nan


@compiled
def _add(count: Any, source: Any, target: Any, dtype: Any) -> None:
    a, b = array_at(source, count, dtype), array_at(target, count, dtype)
    for j in range(count):
        b[j] += a[j]


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _embedding_at(address)
    rows, n, size = rows_of(p), p.units, size_of(dtype)
    ids, used = integers_at(p.x, rows), 0
    places, own = integers_at(p.places, p.table), integers_at(p.ids, rows)
    for k in range(rows):
        name, dy = ids[k], p.dy + size * k * n
        if name < 0 or name >= p.table:
            continue
        if p.dw != 0:
            _add(n, dy, p.dw + size * name * n, dtype)
        elif places[name] > 0:
            _add(n, dy, p.sums + size * (places[name] - 1) * n, dtype)
        else:
            copy(n, dy, p.sums + size * used * n, dtype)
            own[used] = name
            used += 1
            places[name] = used
    if p.dw == 0:
        for k in range(used):
            places[own[k]] = 0
    p.used = used


def forward_float32(address: Any) -> None:
    """Look up the rows."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Look up the rows."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Add the rows' gradients."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Add the rows' gradients."""
    _backward(address, np.float64)
