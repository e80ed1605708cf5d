"""Where batches come from: arrays in memory, or rows that are read by their numbers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from lamina.core.layer import Layer
from lamina.data.checks import checked_for, named
from lamina.data.goals import Goal
from lamina.data.rows import Rows
from lamina.data.shapes import Data, OutputShapes, picked, shortened
from lamina.train.batches import Batch, batches, count_batches, counting, placed
from lamina.train.place import Place
from lamina.train.prefetch import ahead
from lamina.train.shares import Part, Share

__all__ = ["ArrayFeed", "BatchStream", "Feed", "Numbered", "Order", "RowFeed", "counting_each"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]
# Rows in a batch of a pass that measures the data: nothing is kept of it.
_MEASURED = 256
# Of the numbers of steps of the rows, where they are known: the order in which the rows are taken.
Order: TypeAlias = Callable[[int, "NumpyArray | None"], "NumpyArray | None"]
# Batches that whoever takes them closes in the end: a thread may read ahead until then.
BatchStream: TypeAlias = Generator[Batch, None, None]
# Data, the number from 1 by which messages call them, and of which whole they are where they are a rank's.
Numbered: TypeAlias = tuple[int, Data, Part | None]


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
    share : Share or None
        Which rows of each batch are this rank's, where there are several ranks.
    """

    model: Layer
    batch_size: int = 32
    rows: int | None = None
    steps: int | None = None
    begins_anew: bool = True
    goals: tuple[Goal, ...] = ()
    shortens: bool = False
    share: Share | None = None

    def __post_init__(self) -> None:
        self.shape_of = OutputShapes(self.model)

    def sample(self) -> Data:
        """Return some rows as they were read: to build a model for."""
        raise NotImplementedError

    def check(self, goals: tuple[Goal, ...] = ()) -> Data:
        """Check, for the built model, what can be looked at beforehand; return the sample, checked."""
        raise NotImplementedError

    def epoch(self, order: Order | None = None, skip: int = 0) -> BatchStream:
        """Yield the batches of an epoch but the first so many, checked for the goals that `check` had."""
        raise NotImplementedError

    @property
    def turn(self) -> int:
        """How many items of a source's turn came before the epoch that is next."""
        return 0

    def wind(self, place: Place, note: Callable[[str], None]) -> Place:
        """Return where a run goes on that stood at a place: there, or where that cannot be, as near as can be."""
        return place

    def short(self, data: Data) -> Data:
        """Return rows cut to the longest of them, where batches are to be."""
        if not self.shortens:
            return data
        steps = [goal.loss is not None and goal.loss.target_padding is None for goal in self.goals]
        return shortened(data, self.shape_of, steps)

    def placed(self, several: Generator[Numbered, None, None]) -> BatchStream:
        """Yield numbered data as batches where the model is, each checked when it comes."""
        with closing(several):  # an error here would keep it, and its thread, for as long as someone holds that
            for number, data, part in several:
                with named(f"batch {number}"):
                    checked = checked_for(self.model, data, self.goals, self.shape_of)
                yield placed(self.short(checked), self.model.backend, part)

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

    def epoch(self, order: Order | None = None, skip: int = 0) -> BatchStream:
        """Yield the batches, gathered from the arrays."""
        rows = self._ordered(order)
        if self.shortens and rows is not None:
            return self._shortened(rows, skip)
        return batches(self.data, self.batch_size, self.model.backend, rows, self.held, skip, self.share)

    def _ordered(self, order: Order | None) -> NumpyArray | None:
        lengths = self.data.lengths
        return None if order is None else order(self.data.rows, None if isinstance(lengths, tuple) else lengths)

    def picks(self, order: Order | None = None) -> Iterator[NumpyArray]:
        """Yield the numbers of the rows of each batch of an epoch."""
        rows = self._ordered(order)
        rows = np.arange(self.data.rows) if rows is None else rows
        for start in range(0, len(rows), self.batch_size):
            yield rows[start : start + self.batch_size]

    def _shortened(self, rows: NumpyArray, skip: int) -> BatchStream:
        backend, size = self.model.backend, self.batch_size
        for start in range(skip * size, len(rows), size):
            taken, part = self.own(rows[start : start + size])
            yield placed(self.short(self.data.take(taken)), backend, part)

    def own(self, rows: NumpyArray) -> tuple[NumpyArray, Part | None]:
        """Return those of a batch's rows that are this rank's, and of which whole they are."""
        if self.share is None:
            return rows, None
        own, part = self.share.part(len(rows), picked(self.data.lengths, rows))
        return rows[own], part

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

    def epoch(self, order: Order | None = None, skip: int = 0) -> BatchStream:
        """Yield the batches, each checked when it comes."""
        lengths = self.source.lengths()
        own = None if lengths is None else lengths[self.numbers]
        places = None if order is None else order(len(self.numbers), own)
        numbers = self.numbers if places is None else self.numbers[places]
        yield from self.placed(ahead(self._read(numbers, self.batch_size, skip, self.share), self.prefetch))

    def counted(self) -> BatchStream:
        """Yield the rows that count, in batches of a size of their own."""
        yield from self.placed(ahead(counting_each(self._read(self.numbers, _MEASURED)), self.prefetch))

    def _read(self, numbers: NumpyArray, size: int, skip: int = 0, share: Share | None = None) -> Iterator[Numbered]:
        lengths = None if share is None else self.source.lengths()
        for number, start in enumerate(range(skip * size, len(numbers), size), skip + 1):
            rows, part = numbers[start : start + size], None
            own = slice(None)
            if share is not None:
                own, part = share.part(len(rows), picked(lengths, rows))
            with named(f"batch {number}"):
                # Of no rows nothing could be read: one is, and left out.
                data = self.source.take(rows[own]) if len(rows[own]) else self.source.take(rows[:1]).take(slice(0, 0))
            yield number, data, part


def counting_each(several: Iterator[Numbered]) -> Iterator[Numbered]:
    """Yield the rows of numbered data that count."""
    return ((number, counting(data), part) for number, data, part in several)
