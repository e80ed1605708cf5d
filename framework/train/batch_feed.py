"""Batches as an iterable gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from lamina.core.layer import Layer
from lamina.data.checks import checked_for, named
from lamina.data.goals import Goal
from lamina.data.shapes import Data
from lamina.data.sources import Batches
from lamina.errors import DataError
from lamina.train.feeds import BatchStream, Feed, Numbered, Order, counting_each
from lamina.train.place import Place
from lamina.train.prefetch import ahead
from lamina.train.shares import mark_of

__all__ = ["BatchFeed"]


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
        self._ready: Numbered | None = None  # the next batch, where it was looked at already
        self._running: Iterator[Numbered] | None = None
        self._number = 0  # of the latest item that was taken

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

    def epoch(self, order: Order | None = None, skip: int = 0) -> BatchStream:
        """Yield the batches, each checked when it comes.

        Raises
        ------
        DataError
            If there are fewer, or more, than were said.
        """
        taken = islice(self._as_said(self._taken()), skip, None)
        yield from self.placed(ahead(taken if self.share is None else self._shared(taken), self.prefetch))

    def _shared(self, taken: Iterator[Numbered]) -> Iterator[Numbered]:
        """Yield this rank's rows of each item: all ranks read the same."""
        assert self.share is not None
        for number, data, _ in taken:
            own, part = self.share.part(data.rows, data.lengths, mark_of(data))
            yield number, data.take(own), part

    @property
    def turn(self) -> int:
        """How many items of the source's turn came before the epoch that is next."""
        if self._wanted is None or (self._ready is None and self._running is None):
            return 0
        return self._number if self._ready is None else self._ready[0] - 1

    def wind(self, place: Place, note: Callable[[str], None]) -> Place:
        """Return the place, to which the source is wound by reading; its epoch's beginning where it cannot begin anew.

        The batches before it are read again and left out. From what gives batches once alone nothing can be left out,
        as nobody knows where it stands: the epoch begins again, with the weights as they are.
        """
        if not (place.turn or place.batches or place.start):
            return place
        if not self.source.begins_anew:
            note(
                f"the source of batches gives them once and cannot be wound forward: epoch {place.epoch} begins again, "
                f"with the weights that {place.steps} steps of it came to"
            )
            return Place(place.epoch)
        if place.turn:
            self._ready, self._running = None, islice(self._read(), place.turn, None)
            self._number = place.turn
        return place

    def counted(self) -> BatchStream:
        """Yield a turn of its own."""
        turn = self._as_said(self._read()) if self._wanted is None else islice(self._read(), self._wanted)
        yield from self.placed(ahead(counting_each(turn), self.prefetch))

    def _as_said(self, taken: Iterator[Numbered]) -> Iterator[Numbered]:
        """Yield an epoch's items, where there are as many as were said; none beyond them."""
        found, said = 0, self.steps
        for one in taken:
            found += 1
            if said is not None and found > said:
                raise DataError(f"x: expected {said} batches an epoch, got {found} or more")
            yield one
        if said is not None and found < said:
            raise DataError(f"x: expected {said} batches an epoch, got {found}")

    def _taken(self) -> Iterator[Numbered]:
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

    def _next(self) -> Numbered | None:
        """Return the next item, of a new turn where one has ended; None where there is none."""
        if self._ready is not None:
            one, self._ready = self._ready, None
            return one
        for _ in range(2):
            if self._running is None:
                self._running = self._read()
            found = next(self._running, None)
            if found is not None:
                self._number = found[0]
                return found
            self._running = None
            if not self.source.begins_anew:
                return None
        return None

    def _read(self) -> Iterator[Numbered]:
        for number, item in enumerate(self.source, 1):
            yield number, self.source.read(item, number), None
