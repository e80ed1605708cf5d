"""The order in which a recurrence reads a batch, so that one time loop serves full and ragged batches."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

__all__ = ["ReadingOrder", "Run", "reading_order"]

_Array = np.ndarray[Any, Any]


class Run(NamedTuple):
    """Consecutive steps that read the same rows: rectangles (steps, number, ...) within arrays in reading order.

    Attributes
    ----------
    first, stop : int
        Its first row, and the one after its last.
    steps, number : int
        How many steps, and how many rows each of them reads.
    start, previous : int
        Where in a slab its first block begins, and the block that this one continues.
    """

    first: int
    stop: int
    steps: int
    number: int
    start: int
    previous: int

    def of(self, rows: _Array) -> _Array:
        """Return its part of a (rows, features) array: (steps, number, features)."""
        return rows[self.first : self.stop].reshape(self.steps, self.number, rows.shape[1])

    def after(self, slab: _Array) -> _Array:
        """Return the blocks of its steps: (steps, number, units)."""
        stop = self.start + self.stop - self.first
        return slab[self.start : stop].reshape(self.steps, self.number, slab.shape[1])

    def first_before(self, slab: _Array) -> _Array:
        """Return the rows that those of its first step continue: (number, units)."""
        return slab[self.previous : self.previous + self.number]

    def before(self, slab: _Array) -> _Array:
        """Return the rows that those of its steps continue, (steps, number, units): a view where it can be one."""
        if self.previous + self.number == self.start:
            stop = self.previous + self.stop - self.first
            return slab[self.previous : stop].reshape(self.steps, self.number, slab.shape[1])
        return np.concatenate([self.first_before(slab)[None], self.after(slab)[:-1]])


class ReadingOrder(Protocol):
    """Maps (batch, time, ...) arrays to rows in reading order and back.

    A *slab* is a (batch + rows, units) array: one block of rows for the initial state, then one for every
    step. Block t + 1 holds the rows that step t reads; they continue the first rows of block t.
    """

    rows: int

    def gather(self, array: _Array) -> _Array:
        """Return (batch, time, features) as (rows, features): the valid steps, as they are read."""

    def gather_into(self, rows: _Array, array: _Array) -> None:
        """Write what `gather` returns into the given rows."""

    def scatter(self, rows: _Array) -> _Array:
        """Return (rows, features) as (batch, time, features), 0 past each row's end."""

    def steps(self, rows: _Array) -> list[_Array]:
        """Return the rows of each step."""

    def before(self, slab: _Array) -> _Array:
        """Return, for each of the rows, the slab's row that precedes it: (rows, units)."""

    def to_first(self, state: _Array) -> _Array:
        """Return a (batch, units) state in the order of the slab's first block."""

    def from_first(self, block: _Array) -> _Array:
        """Return the slab's first block in the order of the batch: a copy (batch, units)."""

    def last(self, slab: _Array) -> _Array:
        """Return each row's last state: a copy (batch, units)."""

    def chunks(self, rows: int) -> list[list[Run]]:
        """Return all steps as they are read, in chunks of at most that many rows, or of one step where it has more."""


class _Full:
    """Every row has ``time`` steps: reading order is time-major order, and nothing is copied to get there."""

    def __init__(self, batch: int, time: int, reverse: bool) -> None:
        self.batch, self.time = batch, time
        self.rows = batch * time
        self._reverse = reverse
        self._steps = [slice(first, first + batch) for first in range(0, self.rows, batch or 1)]
        self._runs = (Run(0, self.rows, time, batch, batch, 0),) if self.rows else ()

    def gather(self, array: _Array) -> _Array:
        return np.ascontiguousarray(self._read(array).reshape(self.rows, array.shape[-1]))

    def gather_into(self, rows: _Array, array: _Array) -> None:
        slab = rows.reshape(self.time, self.batch, array.shape[-1])
        slab[...] = self._read(array)

    def scatter(self, rows: _Array) -> _Array:
        slab = rows.reshape(self.time, self.batch, rows.shape[-1])
        return (slab[::-1] if self._reverse else slab).transpose(1, 0, 2)

    def steps(self, rows: _Array) -> list[_Array]:
        return list(map(rows.__getitem__, self._steps))

    def before(self, slab: _Array) -> _Array:
        return slab[: self.rows]

    def to_first(self, state: _Array) -> _Array:
        return state

    def from_first(self, block: _Array) -> _Array:
        return block.copy()

    def last(self, slab: _Array) -> _Array:
        return slab[self.rows :].copy()

    def chunks(self, rows: int) -> list[list[Run]]:
        return _chunks(self._runs, rows)

    def _read(self, array: _Array) -> _Array:
        """Return (batch, time, ...) as (time, batch, ...), as it is read."""
        steps = array.transpose(1, 0, 2)
        return steps[::-1] if self._reverse else steps


class _Ragged:
    """Rows sorted by length, longest first; each step reads only the rows that have not ended."""

    def __init__(self, lengths: _Array, time: int, reverse: bool) -> None:
        batch = len(lengths)
        self._shape = (time, batch)
        self._order = np.argsort(-lengths, kind="stable")
        longest_first = lengths[self._order]
        steps = int(longest_first[0]) if batch else 0
        counts = batch - np.searchsorted(longest_first[::-1], np.arange(steps), side="right")
        self.rows = int(counts.sum())
        starts = np.concatenate(([0, batch], batch + np.cumsum(counts)))
        bounds = list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
        step = np.repeat(np.arange(steps), counts)
        rank = np.arange(self.rows) - (starts[1:-1] - batch)[step]
        self._row = self._order[rank]
        self._time = longest_first[rank] - 1 - step if reverse else step
        self._before = starts[step] + rank
        self._last = starts[longest_first] + np.arange(batch)
        # Steps of one count, up to where it changes.
        ends = [*(np.flatnonzero(np.diff(counts)) + 1).tolist(), steps] if steps else []
        runs = []
        for begin, end in pairwise([0, *ends]):
            previous, (start, second) = bounds[begin][0], bounds[begin + 1]
            first, stop = start - batch, bounds[end][1] - batch
            runs.append(Run(first, stop, end - begin, second - start, start, previous))
        self._runs = tuple(runs)
        self._steps = [slice(start - batch, stop - batch) for start, stop in bounds[1:]]

    def gather(self, array: _Array) -> _Array:
        gathered: _Array = array[self._row, self._time]
        return gathered

    def gather_into(self, rows: _Array, array: _Array) -> None:
        rows[...] = array[self._row, self._time]

    def scatter(self, rows: _Array) -> _Array:
        slab: _Array = np.zeros((*self._shape, rows.shape[-1]), rows.dtype)
        slab[self._time, self._row] = rows
        return slab.transpose(1, 0, 2)

    def steps(self, rows: _Array) -> list[_Array]:
        return list(map(rows.__getitem__, self._steps))

    def before(self, slab: _Array) -> _Array:
        before: _Array = slab.take(self._before, axis=0)
        return before

    def to_first(self, state: _Array) -> _Array:
        first: _Array = state.take(self._order, axis=0)
        return first

    def from_first(self, block: _Array) -> _Array:
        state = np.empty_like(block)
        state[self._order] = block
        return state

    def last(self, slab: _Array) -> _Array:
        return self.from_first(slab.take(self._last, axis=0))

    def chunks(self, rows: int) -> list[list[Run]]:
        return _chunks(self._runs, rows)


# Layers of a stack, and the epochs of a training run, read the same batches, or some of the same shape, again.
@lru_cache(maxsize=256)
def _chunks(runs: tuple[Run, ...], rows: int) -> list[list[Run]]:
    """Return the runs, the longer ones cut, in chunks of at most that many rows, or of one step."""
    chunks: list[list[Run]] = []
    free = 0
    for first, _, steps, count, start, previous in runs:
        longest = max(1, rows // count)
        for begin in range(0, steps, longest):
            done, size = begin * count, min(longest, steps - begin) * count
            before = start + done - count if begin else previous
            if size > free:
                chunks.append([])
                free = rows
            chunks[-1].append(Run(first + done, first + done + size, size // count, count, start + done, before))
            free -= size
    return chunks


_full = lru_cache(maxsize=64)(_Full)


@lru_cache(maxsize=64)
def _ragged(lengths: bytes, time: int, reverse: bool) -> _Ragged:
    return _Ragged(np.frombuffer(lengths, dtype=np.int64), time, reverse)


def reading_order(batch: int, time: int, lengths: _Array | None, reverse: bool) -> ReadingOrder:
    """Return the order in which a recurrence reads a (batch, time, ...) array.

    Parameters
    ----------
    batch, time : int
    lengths : (batch,) integers or None for full rows
    reverse : bool
        Whether each row is read from its last valid step to its first.
    """
    if lengths is None:
        return _full(batch, time, reverse)
    return _ragged(np.asarray(lengths, dtype=np.int64).tobytes(), time, reverse)
