"""Where batches come from: arrays in memory, rows that are read by their numbers, or an iterable of batches."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from lamina.core.layer import Layer
from lamina.data.checks import checked_for, named
from lamina.data.goals import Goal
from lamina.data.rows import Rows
from lamina.data.shapes import Data, OutputShapes, shortened
from lamina.data.sources import Batches
from lamina.errors import DataError
from lamina.train.batches import Batch, batches, count_batches, counting, placed
from lamina.train.prefetch import ahead

__all__ = ["ArrayFeed", "BatchFeed", "BatchStream", "Feed", "Order", "RowFeed"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]
# Rows in a batch of a pass that measures the data: nothing is kept of it.
_MEASURED = 256
# Of the numbers of steps of the rows, where they are known: the order in which the rows are taken.
Order: TypeAlias = Callable[[int, "NumpyArray | None"], "NumpyArray | None"]
# Batches that whoever takes them closes in the end: a thread may read ahead until then.
BatchStream: TypeAlias = Generator[Batch, None, None]
# Data, and the number from 1 by which messages call them.
_Numbered: TypeAlias = tuple[int, Data]


@dataclass
class Feed:
    """The base class of what gives a model's batches, epoch by epoch.

    Attributes
    ----------
    model : Layer
    batch_size : int
    rows : int or None
        How many there are; None where only the end will tell.
    steps : int or None
        How many batches an epoch has.
    begins_anew : bool
        Whether there can be a second epoch.
    goals : tuple of Goal
        For which the batches are checked.
    shortens : bool
        Whether batches are cut to their longest rows.
    """

    model: Layer
    batch_size: int = 32
    rows: int | None = None
    steps: int | None = None
    begins_anew: bool = True
    goals: tuple[Goal, ...] = ()
    shortens: bool = False

    def __post_init__(self) -> None:
        self.shape_of = OutputShapes(self.model)

    def sample(self) -> Data:
        """Return some rows as they were read: to build a model for."""
        raise NotImplementedError

    def check(self, goals: tuple[Goal, ...] = ()) -> Data:
        """Check, for the built model, what can be looked at beforehand; return the sample, checked."""
        raise NotImplementedError

    def epoch(self, order: Order | None = None) -> BatchStream:
        """Yield the batches of an epoch, checked for the goals that `check` had."""
        raise NotImplementedError

    def short(self, data: Data) -> Data:
        """Return rows cut to the longest of them, where batches are to be."""
        if not self.shortens:
            return data
        steps = [goal.loss is not None and goal.loss.target_padding is None for goal in self.goals]
        return shortened(data, self.shape_of, steps)

    def placed(self, several: Generator[_Numbered, None, None]) -> BatchStream:
        """Yield numbered data as batches where the model is, each checked when it comes."""
        with closing(several):  # an error here would keep it, and its thread, for as long as someone holds that
            for number, data in several:
                with named(f"batch {number}"):
                    checked = checked_for(self.model, data, self.goals, self.shape_of)
                yield placed(self.short(checked), self.model.backend)

    def counted(self) -> BatchStream:
        """Yield the batches of an epoch in their order, without rows of weight 0: for what measures the data."""
        raise NotImplementedError


class ArrayFeed(Feed):
    """Arrays in memory, checked as a whole before anything begins."""

    def __init__(self, model: Layer, data: Data, batch_size: int) -> None:
        super().__init__(model, batch_size, data.rows, count_batches(data.rows, batch_size))
        self.data = data
        self.held: Any = None

    def sample(self) -> Data:
        """Return all rows."""
        return self.data

    def check(self, goals: tuple[Goal, ...] = ()) -> Data:
        """Check all rows."""
        self.goals = goals
        self.data = checked_for(self.model, self.data, goals)
        return self.data

    def epoch(self, order: Order | None = None) -> BatchStream:
        """Yield the batches, gathered from the arrays."""
        rows = self._ordered(order)
        if self.shortens and rows is not None:
            return self._shortened(rows)
        return batches(self.data, self.batch_size, self.model.backend, rows, self.held)

    def _ordered(self, order: Order | None) -> NumpyArray | None:
        lengths = self.data.lengths
        return None if order is None else order(self.data.rows, None if isinstance(lengths, tuple) else lengths)

    def picks(self, order: Order | None = None) -> Iterator[NumpyArray]:
        """Yield the numbers of the rows of each batch of an epoch."""
        rows = self._ordered(order)
        rows = np.arange(self.data.rows) if rows is None else rows
        for start in range(0, len(rows), self.batch_size):
            yield rows[start : start + self.batch_size]

    def _shortened(self, rows: NumpyArray) -> BatchStream:
        backend, size = self.model.backend, self.batch_size
        for start in range(0, len(rows), size):
            yield placed(self.short(self.data.take(rows[start : start + size])), backend)

    def counted(self) -> BatchStream:
        """Yield the rows that count, in batches of a size of their own: what is measured is not to depend on it."""
        return batches(counting(self.data), _MEASURED, self.model.backend)


class RowFeed(Feed):
    """Rows that are read when their batch is due, one batch ahead.

    Parameters
    ----------
    model : Layer
    source : Rows
    batch_size : int
    prefetch : int
        How many batches are read ahead.
    numbers : integers, optional
        Of the rows that are its own; all of the source's if not given.
    """

    def __init__(
        self, model: Layer, source: Rows, batch_size: int, prefetch: int = 1, numbers: NumpyArray | None = None
    ) -> None:
        self.source = source
        self.numbers = np.arange(source.rows) if numbers is None else numbers
        super().__init__(model, batch_size, len(self.numbers), count_batches(len(self.numbers), batch_size))
        self.prefetch = prefetch

    def sample(self) -> Data:
        """Return the first batch."""
        return self.source.take(self.numbers[: self.batch_size])

    def check(self, goals: tuple[Goal, ...] = ()) -> Data:
        """Check the first batch."""
        self.goals = goals
        return checked_for(self.model, self.sample(), goals)

    def epoch(self, order: Order | None = None) -> BatchStream:
        """Yield the batches, each checked when it comes."""
        lengths = self.source.lengths()
        own = None if lengths is None else lengths[self.numbers]
        picked = None if order is None else order(len(self.numbers), own)
        numbers = self.numbers if picked is None else self.numbers[picked]
        yield from self.placed(ahead(self._read(numbers, self.batch_size), self.prefetch))

    def counted(self) -> BatchStream:
        """Yield the rows that count, in batches of a size of their own."""
        yield from self.placed(ahead(_counting_each(self._read(self.numbers, _MEASURED)), self.prefetch))

    def _read(self, numbers: NumpyArray, size: int) -> Iterator[_Numbered]:
        for number, start in enumerate(range(0, len(numbers), size), 1):
            with named(f"batch {number}"):
                data = self.source.take(numbers[start : start + size])
            yield number, data


class BatchFeed(Feed):
    """Batches as an iterable gives them, one ahead.

    Parameters
    ----------
    model : Layer
    source : Batches
    prefetch : int
    steps_per_epoch : int, optional
        An epoch takes so many, and the next one goes on from there; what begins anew does so when it has ended.
    """

    def __init__(self, model: Layer, source: Batches, prefetch: int = 1, steps_per_epoch: int | None = None) -> None:
        anew = source.begins_anew or steps_per_epoch is not None
        steps = source.count if steps_per_epoch is None else steps_per_epoch
        super().__init__(model, steps=steps, begins_anew=anew)
        self.source = source
        self.prefetch = prefetch
        self._wanted = steps_per_epoch
        self._ready: _Numbered | None = None  # the next batch, where it was looked at already
        self._running: Iterator[_Numbered] | None = None

    def sample(self) -> Data:
        """Return the next batch, which is still the first of the next epoch."""
        if self._ready is None:
            self._ready = self._next()
        if self._ready is None:
            raise DataError("x: expected at least one batch, got none: it may have been gone through before")
        return self._ready[1]

    def check(self, goals: tuple[Goal, ...] = ()) -> Data:
        """Check the first batch."""
        self.goals = goals
        with named("batch 1"):
            return checked_for(self.model, self.sample(), goals)

    def epoch(self, order: Order | None = None) -> BatchStream:
        """Yield the batches, each checked when it comes.

        Raises
        ------
        DataError
            If there are fewer, or more, than were said.
        """
        yield from self.placed(ahead(self._as_said(self._taken()), self.prefetch))

    def counted(self) -> BatchStream:
        """Yield a turn of its own."""
        turn = self._as_said(self._read()) if self._wanted is None else islice(self._read(), self._wanted)
        yield from self.placed(ahead(_counting_each(turn), self.prefetch))

    def _as_said(self, taken: Iterator[_Numbered]) -> Iterator[_Numbered]:
        """Yield an epoch's items, where there are as many as were said; none beyond them."""
        found, said = 0, self.steps
        for one in taken:
            found += 1
            if said is not None and found > said:
                raise DataError(f"x: expected {said} batches an epoch, got {found} or more")
            yield one
        if said is not None and found < said:
            raise DataError(f"x: expected {said} batches an epoch, got {found}")

    def _taken(self) -> Iterator[_Numbered]:
        if self._wanted is None:
            # The first epoch goes on with what was begun: a source may be costly to begin, or not begin alike.
            self.sample()
            first, running = self._ready, self._running
            self._ready, self._running = None, None
            assert first is not None
            yield first
            yield from running or ()
            return
        for _ in range(self._wanted):
            one = self._next()
            if one is None:
                return
            yield one

    def _next(self) -> _Numbered | None:
        """Return the next item, of a new turn where one has ended; None where there is none."""
        if self._ready is not None:
            one, self._ready = self._ready, None
            return one
        for _ in range(2):
            if self._running is None:
                self._running = self._read()
            found = next(self._running, None)
            if found is not None:
                return found
            self._running = None
            if not self.source.begins_anew:
                return None
        return None

    def _read(self) -> Iterator[_Numbered]:
        for number, item in enumerate(self.source, 1):
            yield number, self.source.read(item, number)


def _counting_each(several: Iterator[_Numbered]) -> Iterator[_Numbered]:
    return ((number, counting(data)) for number, data in several)
