"""The room of a block: where everything of it lies, taken once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.numba.engine import functions
from lamina.backends.numba.engine.frames import FRAME
from lamina.backends.program import Program, Value, Weights

__all__ = ["Room", "Task", "address_of_array"]

_LINE = 64  # bytes of a cache line


def address_of_array(array: Array) -> int:
    """Return where an array's data begin."""
    return int(array.__array_interface__["data"][0])


class Task(NamedTuple):
    """A call of a compiled function.

    Attributes
    ----------
    module : str
        Of the engine.
    name : str
    record : (1,) structured array
    """

    module: str
    name: str
    record: Array


class Room:
    """The memory of one block of a program's rows.

    Parameters
    ----------
    program : Program
    rows : int
        At most.
    private : dict of int to (int, int)
        For stretches of gradients, by their addresses: their size in bytes, and where this block adds its own instead.
    wanted : iterable of Value
        Whose gradients are wanted beside those that lead to weights.

    Attributes
    ----------
    program : Program
    dtype : str
    size : int
        Bytes of a number.
    rows, steps : int
        At most.
    keep : list of array
        All memory that is taken.
    states : list of array
        Those of the program that lie here.
    """

    def __init__(
        self, program: Program, rows: int, private: Mapping[int, tuple[int, int]], wanted: Iterable[Value] = ()
    ) -> None:
        self.program = program
        self.dtype = program.dtype
        self.size = np.dtype(program.dtype).itemsize
        self.rows = rows
        self.steps = program.steps
        self.keep: list[Array] = []
        self._private = private
        self._values: dict[int, int] = {}
        self._gradients: dict[int, list[int]] = {}
        self._differentiated = _differentiated(program) | {value.index for value in wanted}
        self._frames: dict[int, Array] = {}
        self.states: list[Array] = []
        for before, after, array in program.states:
            place = array
            if place is None:
                place = self.take(rows * before.features)
                self.states.append(place)
            self._values[before.index] = self._values[after.index] = address_of_array(place)

    def take(self, count: int, dtype: Any = None) -> Array:
        """Return an array (count,) of zeros, of the program's dtype if none is named, that begins a cache line."""
        kind = np.dtype(dtype or self.dtype)
        whole = np.zeros(count * kind.itemsize + _LINE, np.uint8)
        first = -address_of_array(whole) % _LINE
        array = whole[first : first + count * kind.itemsize].view(kind)
        self.keep.append(array)
        return array

    def floats(self, count: int) -> int:
        """Return the address of so many new numbers of the program's dtype."""
        return address_of_array(self.take(max(count, 1)))

    def integers(self, count: int) -> int:
        """Return the address of so many new int64."""
        return address_of_array(self.take(max(count, 1), np.int64))

    def record(self, kind: np.dtype[Any], **values: Any) -> Array:
        """Return a new record of a dtype, with values."""
        record = np.zeros(1, kind)
        for name, value in values.items():
            record[name] = value
        self.keep.append(record)
        return record

    def table(self, tasks: Sequence[Task]) -> Array:
        """Return a table for `replay.run`: the address of each task's function, compiled, and of its record."""
        functions.prepare((task.module, task.name) for task in tasks)
        table = self.take(2 * len(tasks), np.int64)
        for index, task in enumerate(tasks):
            table[2 * index] = functions.address_of(task.module, task.name)
            table[2 * index + 1] = address_of_array(task.record)
        return table

    def frame(self, index: int | None) -> int:
        """Return the address of a frame; of the first one for values without a time axis, which have its rows."""
        number = index or 0
        if number not in self._frames:
            steps = self.program.frames[number].steps if self.program.frames else 1
            self._frames[number] = self.record(
                FRAME,
                order=self.integers(self.rows),
                lengths=self.integers(self.rows),
                counts=self.integers(steps + 2),
                offsets=self.integers(steps + 2),
                most=steps,
            )
        return address_of_array(self._frames[number])

    def order(self) -> Array:
        """Return which rows of the batch this block has in the latest run, in their order."""
        record = self._frames[0][0]
        return next(one for one in self.keep if address_of_array(one) == record["order"])[: int(record["rows"])]

    def extent(self, value: Value) -> dict[str, int]:
        """Return the fields of a record that say how many rows a value has: see `rows_of`."""
        return {"frame": self.frame(value.frame), "sequence": value.frame is not None}

    def most(self, value: Value) -> int:
        """Return how many rows of a value there can be, packed."""
        return self.rows if value.frame is None else self.rows * self.program.frames[value.frame].steps

    def value(self, value: Value) -> int:
        """Return where a value lies, packed: (most, features)."""
        if value.index not in self._values:
            count = self.most(value) * value.features
            self._values[value.index] = self.integers(count) if value.integers else self.floats(count)
        return self._values[value.index]

    def fill(self, value: Value, number: float) -> None:
        """Let a value's place hold a number everywhere."""
        place = self.value(value)
        next(array for array in self.keep if address_of_array(array) == place)[:] = number

    def downstream(self, value: Value) -> int:
        """Return where a reader of a value writes its gradient, each to a place of its own; 0 where none is wanted."""
        if value.index not in self._differentiated:
            return 0
        place = self.floats(self.most(value) * value.features)
        self._gradients.setdefault(value.index, []).append(place)
        return place

    def written(self, value: Value) -> list[int]:
        """Return where all readers of a value write its gradient: the first is where they are added up."""
        return self._gradients.get(value.index, [])

    def upstream(self, value: Value) -> int:
        """Return where the gradient of a value is; 0 where nothing depends on it."""
        places = self.written(value)
        return places[0] if places else 0

    def weights(self, weights: Weights | None) -> int:
        """Return where weights lie; 0 for none."""
        return 0 if weights is None else address_of_array(weights.data)

    def gradient_of(self, weights: Weights | None) -> int:
        """Return where the gradient of weights is added; 0 where none is wanted."""
        if weights is None or weights.grad is None:
            return 0
        own = address_of_array(weights.grad)
        for first, (size, place) in self._private.items():
            if first <= own < first + size:
                return place + own - first
        return own


def _differentiated(program: Program) -> set[int]:
    """Return the values whose gradients are wanted: what is made with trained weights, or of such values."""
    found: set[int] = set()
    for call in program.calls:
        trained = any(one is not None and one.grad is not None for one in call.weights.values())
        trained = trained or "table" in call.options
        if trained or any(value.index in found for value in call.inputs):
            found |= {value.index for value in call.outputs}
    return found
