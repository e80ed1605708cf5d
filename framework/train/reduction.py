"""The gradients of all ranks, added up: one message for each stretch of parameters, rows of tables as rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from lamina.backends import Array
from lamina.compose.sequential import Sequential
from lamina.core.additions import thread
from lamina.core.changes import changes
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.stretch import Stretch, neighbours
from lamina.core.tree import Tree
from lamina.distributed import Pending
from lamina.errors import DataError
from lamina.train.ranks import Ranks

__all__ = ["Reduction"]

# Bytes of gradients that are worth a message of their own while backward goes on.
_BUCKET = 1 << 20
# Where a parameter lies: its storage's identity, and the offset there.
_Place: TypeAlias = tuple[int, int]


class Reduction:
    """Adds up the gradients that the ranks have, in place, with what else they are to agree on in a step.

    Parameters
    ----------
    ranks : Ranks
    model : Layer
        Built.
    asks : callable
        Returns what this rank has to ask of all: whether to end, and whether a checkpoint is due.
    told : callable
        Is given whether any rank asked so.

    Attributes
    ----------
    mark : float
        By which the batches of a step are known, where all ranks are to have read the same; 0 where they are not.
    """

    def __init__(
        self,
        ranks: Ranks,
        model: Layer,
        asks: Callable[[], tuple[bool, ...]] = tuple,
        told: Callable[..., None] = lambda: None,
    ) -> None:
        self._ranks = ranks
        self._model = model
        self._asks = asks
        self._told = told
        self.mark = 0.0
        self._known = -1
        self._stretches: list[Stretch] = []
        self._tables: list[Parameter] = []
        self._owned: list[tuple[Tree, list[_Place]]] = []
        self._under_way: _UnderWay | None = None

    def _look(self) -> None:
        """Find which parameters are trained, and where they lie, where something has changed."""
        if self._known == changes.count:
            return
        trained = [one for one in self._model.parameters() if one.trainable]
        self._stretches = [Stretch(several) for several in neighbours([one for one in trained if not one.row_wise])]
        self._tables = [one for one in trained if one.row_wise]
        size = sum(np.dtype(one.dtype).itemsize * one.size for one in trained if not one.row_wise)
        # Of a chain alone all ranks surely come to the layers in one order.
        chain = self._model.layers if type(self._model) is Sequential and size >= _BUCKET else ()
        self._owned = [(layer, [_place(one) for one in layer.parameters()]) for layer in chain]
        self._known = changes.count

    def reduce(self, value: Array, terms: float) -> tuple[Array, float]:
        """Add up the gradients of a step; return the sums of what each rank gives of its loss and its terms.

        Raises
        ------
        DataError
            If ranks have read other batches.
        DistributedError
            If another rank has failed.
        """
        self._look()
        backend, communicator = self._model.backend, self._ranks.communicator
        at_hand = backend.on_host
        asked = [float(one) for one in self._asks()]
        numbers = np.array([backend.item(value) if at_hand else 0.0, terms, self.mark, *asked], np.float64)
        waiting = [communicator.start(numbers)]
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            waiting += under_way.waiting
        for index, stretch in enumerate(self._stretches):
            # What is under way was started from the end on.
            stop = None if under_way is None else under_way.left[index]
            if stop != 0:
                waiting.append(self._start(stretch.grad[:stop]))
        total = None if at_hand else self._ranks.summed(value)
        for one in waiting:
            one.wait()
        for table in self._tables:
            self._reduce_rows(table)
        if numbers[2] != self.mark * self._ranks.size:
            raise DataError(
                "x: ranks read other batches: a source of batches is to give the same on each, such as from one seed"
            )
        self.mark = 0.0
        self._told(*(bool(one) for one in numbers[3:]))
        if total is None:
            total = backend.astype(backend.asarray(np.asarray(numbers[0])), value.dtype)
        return total, float(numbers[1])

    def _start(self, gradient: Array) -> Pending:
        """Begin to add up what lies side by side in memory."""
        if self._ranks.takes(self._model.backend):
            return self._ranks.communicator.start(gradient)
        return _Staged(self._ranks, gradient)

    def _reduce_rows(self, table: Parameter) -> None:
        """Add up the rows of a table that any rank has, as rows; all of it, where that is most of it."""
        backend, rows = self._model.backend, table.shape[0]
        own = table.row_gradient()
        used = np.ones(rows, np.uint8) if own is None else np.zeros(rows, np.uint8)
        ids = np.arange(rows) if own is None else backend.to_numpy(own[0])
        used[ids] = 1
        self._ranks.communicator.allreduce(used, "max")
        union = np.flatnonzero(used)
        if 2 * len(union) > rows:
            self._start(table.grad).wait()
            return
        several = backend.zeros((len(union), table.shape[1]), backend.dtype(table.dtype))
        if own is not None and len(ids):
            backend.add_rows(several, backend.constant(np.searchsorted(union, ids)), own[1])
        if len(union):
            self._start(several).wait()
        table.zero_grad()
        if len(union):
            table.add_rows(union, several)

    @contextmanager
    def during(self, last: bool) -> Iterator[None]:
        """Within it a model's backward runs: where it is a step's last, what it is done with is sent while it goes on.

        Of a `Sequential` alone.
        """
        self._look()
        if not last or not self._owned:
            yield
            return
        self._under_way = under_way = _UnderWay(self._owned, self._stretches, self._start)
        adding = thread.adding
        adding.told = under_way.ended
        try:
            yield
        finally:
            adding.told = None


class _UnderWay:
    """Messages that are sent while backward goes on: from the last layer's gradients to the first's.

    Parameters
    ----------
    owned : list of (layer, list of places)
        Of each layer of the chain, as often as it stands there, where its parameters lie.
    stretches : list of Stretch
    start : callable
        Begins to add up a gradient.

    Attributes
    ----------
    left : list of int
        Of each stretch how many of its numbers are not sent yet.
    waiting : list of Pending
    """

    def __init__(
        self, owned: list[tuple[Tree, list[_Place]]], stretches: list[Stretch], start: Callable[[Array], Pending]
    ) -> None:
        self.left = [sum(one.size for one in stretch.parameters) for stretch in stretches]
        self.waiting: list[Pending] = []
        self._stretches = stretches
        self._start = start
        self._places = {id(layer): places for layer, places in owned}
        #: How many layers have yet to add to what lies at a place.
        self._to_come = Counter(place for _, places in owned for place in places)

    def ended(self, layer: Tree) -> None:
        """Send what is final now that a layer's backward has ended, where it is enough."""
        self._to_come.subtract(self._places.get(id(layer), ()))
        for index, stretch in enumerate(self._stretches):
            first, stop = stretch.parameters[0].offset, self.left[index]
            start = stop
            for one in reversed(stretch.parameters):
                if one.offset - first >= stop:
                    continue
                if self._to_come[_place(one)]:
                    break
                start = one.offset - first
            if (stop - start) * np.dtype(stretch.storage.dtype).itemsize >= _BUCKET:
                self.waiting.append(self._start(stretch.storage.gradients[first + start : first + stop]))
                self.left[index] = start
        for sent in self.waiting:
            sent.advance()


def _place(parameter: Parameter) -> _Place:
    """Return where a parameter lies: the same for two views of one place."""
    return id(parameter.storage), parameter.offset


class _Staged(Pending):
    """A reduction of a device's array, through the host."""

    def __init__(self, ranks: Ranks, array: Any) -> None:
        self._ranks = ranks
        self._array = array

    def wait(self) -> None:
        """Reduce it."""
        self._array[...] = self._ranks.summed(self._array)
