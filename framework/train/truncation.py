"""Truncated backpropagation through time: batches cut along the time axis, with the states handed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.shapes import as_tuple
from lamina.data.shapes import Data, output_shape
from lamina.errors import ArgumentError
from lamina.train.batches import Batch
from lamina.train.place import Place, Whole
from lamina.train.ranks import Ranks

__all__ = ["Chunks", "chunk_of", "require_cuttable", "steps_of"]


class Chunks:
    """Batches cut in chunks of some steps, and the states that go from chunk to chunk (Williams & Peng, 1990).

    Each batch starts from no state. In each chunk the states before it are given numbers, so no gradient goes
    back further than its first step. Past a row's end its state stays, and no gradient flows.

    Parameters
    ----------
    model : Layer
    batches : iterable of Batch
    steps : int
        How many steps a chunk has; the last one has what is left.
    place : Place, optional
        Where to go on: the first batch's chunks before that are left out.
    ranks : Ranks, optional
        Each of which has a part of every batch, and as many chunks as the one with the longest rows.

    Attributes
    ----------
    before : state
        That from which the latest chunk went forward; None at a batch's start.
    start : int
        The latest chunk's first step in its batch.
    """

    def __init__(
        self,
        model: Layer,
        batches: Iterable[Batch],
        steps: int,
        place: Place | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        place = Place() if place is None else place
        self._ranks = ranks
        self._model = model
        self._batches = batches
        self._steps = steps
        self._after: Any = place.carried
        self._number, self._next = place.batches, place.start
        self.before: Any = None
        self.start = 0
        self._is_past = False

    @property
    def place(self) -> tuple[int, int, Any]:
        """How many batches were gone through, and of the one after them where to go on, and with which states."""
        return self._number, self._next, self._after

    def __iter__(self) -> Iterator[Batch]:
        """Yield each batch's chunks; those past the end of all rows are left out."""
        for batch in self._batches:
            yield from self._cut(batch, self._next)
            self._number, self._next, self._after = self._number + 1, 0, None

    def forward(self, *inputs: Any, **options: Any) -> tuple[Any, Any]:
        """Return the model's output for a chunk, and what its ``backward`` needs."""
        if self._is_past:
            y, _, saved = self._model.stream(*inputs, state=None, training=True, **options)
            return y, saved
        self.before = self._after
        y, self._after, saved = self._model.stream(*inputs, state=self.before, training=True, **options)
        return y, saved

    def _cut(self, batch: Batch, first: int) -> Iterator[Batch]:
        time = own = next(target.shape[1] for target in as_tuple(batch.target) if target is not None)
        lengths = batch.options.get("lengths")
        if lengths is not None:  # the first chunk comes in any case
            own = min(time, max(int(lengths.max(initial=0)), 1))
        if isinstance(self._after, Whole):
            self._after = self._after.part(0 if batch.part is None else batch.part.first, batch.rows)
        end = own if self._ranks is None else int(self._ranks.largest(own))
        for start in range(first, end, self._steps):
            self.start = start
            self._next = min(start + self._steps, max(time, end))
            self._is_past = start >= own
            # Ranks whose rows have ended go on with none, so that all take the same steps.
            yield none_of(batch, self._steps) if self._is_past else chunk_of(batch, start, min(self._next, time))


def chunk_of(batch: Batch, start: int, stop: int) -> Batch:
    """Return some steps of a batch."""
    lengths, options = batch.options.get("lengths"), {}
    if lengths is not None:
        options["lengths"] = np.clip(lengths - start, 0, stop - start)
    inputs = tuple(x[:, start:stop, ...] for x in batch.inputs)
    hosts = tuple(None if x is None else x[:, start:stop, ...] for x in batch.hosts)
    target, counted, weights = (steps_of(one, start, stop) for one in (batch.target, batch.counted, batch.weights))
    return Batch(batch.rows, inputs, options, target, counted, hosts, weights, None, batch.part)


def none_of(batch: Batch, steps: int) -> Batch:
    """Return no rows of a batch, of some steps."""
    chunk = chunk_of(batch, 0, steps)
    inputs, hosts, target, counted, weights = map(
        _no_rows, (chunk.inputs, chunk.hosts, chunk.target, chunk.counted, chunk.weights)
    )
    options = {name: _no_rows(own) for name, own in chunk.options.items()}
    return Batch(0, inputs, options, target, counted, hosts, weights, None, batch.part)


def _no_rows(value: Any) -> Any:
    """Return no rows of an array, or of each of a tuple."""
    if isinstance(value, tuple):
        return tuple(map(_no_rows, value))
    return None if value is None else value[:0, ...]


def steps_of(value: Any, start: int, stop: int) -> Any:
    """Return some steps of an array, or of each of a tuple; of weights of rows, which have none, all."""
    if isinstance(value, tuple):
        return tuple(steps_of(one, start, stop) for one in value)
    return value if value is None or value.ndim < 2 else value[:, start:stop, ...]


def require_cuttable(model: Layer, data: Data) -> None:
    """Raise unless a built model can be trained on chunks of these data: a target for each step.

    Raises
    ------
    StreamError
        If a layer cannot read a sequence piece by piece.
    ArgumentError
        If inputs, output and target do not have one time axis in common.
    """
    if isinstance(data.lengths, tuple):
        raise ArgumentError("fit: truncate needs the same lengths for all inputs")
    shapes: Any = output_shape(model, data)
    several = isinstance(shapes[0], tuple)
    targets = [target for target in as_tuple(data.target) if target is not None]
    time = targets[0].shape[1] if targets[0].ndim > 1 else None
    after = as_tuple(lengths_after(model, np.ones(1, np.int64)))
    for target, shape, own in zip(as_tuple(data.target), shapes if several else (shapes,), after, strict=False):
        if target is None:
            continue
        if target.ndim < 2 or target.shape[1] != time or len(shape) < 3 or own is None or shape[1] != time:
            raise ArgumentError(f"fit: truncate needs a target for each step: the output is {shape}, y {target.shape}")
    for index, x in enumerate(data.inputs):
        if x.ndim < (2 if model.reads_integers(index) else 3) or x.shape[1] != time:
            raise ArgumentError(f"fit: truncate needs {time} steps, as y has, in each input, got {x.shape}")
    model.stream_state(1)
