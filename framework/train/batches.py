"""Mini-batches: rows of the data, gathered on the host and brought to a model's backend, or gathered there."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.proven import proofs
from lamina.core.shapes import as_tuple
from lamina.data.goals import Goal
from lamina.data.shapes import Data, picked

__all__ = ["Batch", "Mean", "batches", "count_batches", "counting", "hold", "placed"]

# Of a device's free memory what data may take that stay there: weights, gradients and activations come after them.
_SHARE = 0.25


class Batch(NamedTuple):
    """Some rows, where the model is.

    Attributes
    ----------
    rows : int
        How many.
    inputs : tuple of arrays
    options : dict
        ``lengths``, on the host, where there are any; handed to the model by keyword.
    target : array or None
        A tuple of them where there are several outputs; so are the next and the weights.
    counted : ndarray or None
        The target on the host, where what counts in it is found without waiting for a device.
    hosts : tuple of ndarray
        The inputs on the host, or nothing in place of those that are not looked at there: integers are, without
        waiting.
    weights : (rows,) or (rows, time) ndarray, or None
        With what weight each row, or step, counts; on the host.
    shares : tuple of float, or None
        Of each output's terms in a step of several batches this one's part, where that is known beforehand.
    """

    rows: int
    inputs: tuple[Array, ...]
    options: dict[str, Any]
    target: Array
    counted: Any = None
    hosts: tuple[Any, ...] = ()
    weights: Any = None
    shares: tuple[float, ...] | None = None

    def note_proven(self, goals: tuple[Goal, ...] = ()) -> None:
        """Note, for this thread and as long as it keeps proofs, what was looked at before, and what integers hold."""
        lengths = self.options.get("lengths")
        if isinstance(lengths, np.ndarray):
            proofs.note(lengths, tuple(self.inputs[0].shape[:2]))
        if goals:
            targets = self.target if isinstance(self.target, tuple) else (self.target,)
            for goal, target in zip(goals, targets, strict=True):
                proofs.note(target, goal.loss)
        for array, host in zip(self.inputs, self.hosts, strict=False):
            if host is not None and host.dtype.kind in "iu":
                proofs.note_host(array, host)


def count_batches(rows: int, size: int) -> int:
    """Return how many batches so many rows make, a smaller one at the end included."""
    return -(-rows // size)


def hold(backend: Backend, several: Sequence[Data | None]) -> list[tuple[Array, ...] | None]:
    """Bring data to a device, to stay there for `batches`, as long as they take a share of its free memory at most.

    Parameters
    ----------
    backend : Backend
        One of the host takes none.
    several : sequence of Data, or None
        The first ones first.

    Returns
    -------
    list of tuple of arrays, or None
        For each its inputs, target, lengths and weights, or None where they have to come batch by batch.
    """
    held: list[tuple[Array, ...] | None] = [None] * len(several)
    room = _SHARE * backend.free_memory()
    for index, data in enumerate(several):
        arrays = [] if data is None else _arrays(data)
        size = sum(array.nbytes for array in arrays)
        if arrays and size <= room:
            held[index] = tuple([backend.upload(array) for array in arrays])
            room -= size
    return held


def batches(
    data: Data,
    size: int,
    backend: Backend,
    order: np.ndarray[Any, Any] | None = None,
    held: tuple[Array, ...] | None = None,
    skip: int = 0,
) -> Generator[Batch, None, None]:
    """Yield the rows in batches of ``size``, the last one of what is left.

    Parameters
    ----------
    data : Data
        Checked, and in the model's dtype: nothing is converted here.
    size : int
    backend : Backend
    order : (rows,) integers, optional
        The order in which rows are taken; theirs if not given.
    held : tuple of arrays, optional
        What `hold` brought to the device.
    skip : int
        How many of the first batches are left out.
    """
    rows, inputs, target, lengths = data.rows, data.inputs, data.target, data.lengths
    several, on_host, asarray = isinstance(lengths, tuple), backend.on_host, backend.asarray
    options: dict[str, Any] = {}
    starts = range(skip * size, rows, size)
    brought = None if on_host else _brought(data, starts, backend, order, held)
    for start in starts:
        stop = min(start + size, rows)
        pick: Any = slice(start, stop) if order is None else order[start:stop]
        if several:
            options = {"lengths": tuple(None if own is None else own[pick] for own in lengths)}
        elif lengths is not None:
            options = {"lengths": lengths[pick]}
        counted = picked(target, pick) if isinstance(target, tuple) else None if target is None else target[pick]
        weights = None if data.weights is None else picked(data.weights, pick)
        if brought is None:
            hosts = tuple([array[pick] for array in inputs])
            there = tuple([asarray(array) for array in hosts])
            aim = _placed(counted, asarray) if isinstance(target, tuple) or target is None else asarray(counted)
        else:
            hosts = tuple([array[pick] if array.dtype.kind in "iu" else None for array in inputs])
            there, aims, others = next(brought)
            aim, weights = _like(counted, aims), _alone(weights)
            for own, array in zip([*_each(options.get("lengths")), *_each(weights)], others, strict=True):
                backend.note_constant(own, array)
        yield Batch(stop - start, there, options, aim, counted, hosts, weights)


def placed(data: Data, backend: Backend) -> Batch:
    """Return data, checked, as one batch where the model is."""
    asarray = backend.asarray
    options = {} if data.lengths is None else {"lengths": data.lengths}
    inputs, target = tuple([asarray(array) for array in data.inputs]), _placed(data.target, asarray)
    weights = data.weights if backend.on_host else _alone(data.weights)
    return Batch(data.rows, inputs, options, target, data.target, data.inputs, weights)


def _placed(target: Any, asarray: Callable[[Any], Array]) -> Any:
    """Return a target, or each of a tuple, as arrays of the backend."""
    if isinstance(target, tuple):
        return tuple([None if one is None else asarray(one) for one in target])
    return None if target is None else asarray(target)


def _like(target: Any, arrays: Sequence[Array]) -> Any:
    """Return the arrays in place of those that a target holds: one, or a tuple with None where it has None."""
    following = iter(arrays)
    if isinstance(target, tuple):
        return tuple([None if one is None else next(following) for one in target])
    return None if target is None else next(following)


def _each(value: Any) -> list[np.ndarray[Any, Any]]:
    """Return the arrays that there are: of none, of one, or of a tuple."""
    return [own for own in (value if isinstance(value, tuple) else (value,)) if own is not None]


def _arrays(data: Data) -> list[np.ndarray[Any, Any]]:
    """Return all that a batch has rows of."""
    return [*data.inputs, *_each(data.target), *_each(data.lengths), *_each(data.weights)]


def _alone(weights: Any) -> Any:
    """Return a batch's weights as arrays that are their own, and read-only: large ones are known by that alone."""
    if isinstance(weights, tuple):
        return tuple(map(_alone, weights))
    if weights is None:
        return None
    own = weights if weights.base is None else weights.copy()
    own.setflags(write=False)
    return own


def _brought(
    data: Data,
    starts: range,
    backend: Backend,
    order: np.ndarray[Any, Any] | None,
    held: tuple[Array, ...] | None,
) -> Iterator[tuple[tuple[Array, ...], tuple[Array, ...], tuple[Array, ...]]]:
    """Yield each batch's inputs, targets, and lengths and weights, on the device: taken there, or brought ahead."""
    parts = [slice(start, min(start + starts.step, data.rows)) for start in starts]
    count = len(data.inputs)
    after = count + len(_each(data.target))
    if held is not None:
        found = _taken(backend, held, parts, order)
    else:
        found = backend.upload_rows(_arrays(data), parts if order is None else [order[part] for part in parts])
    for arrays in found:
        yield arrays[:count], arrays[count:after], arrays[after:]


def _taken(
    backend: Backend, held: tuple[Array, ...], parts: list[slice], order: np.ndarray[Any, Any] | None
) -> Iterator[tuple[Array, ...]]:
    places = None if order is None else backend.upload(order)
    for part in parts:
        if places is None:
            yield tuple([array[part, ...] for array in held])
        else:
            yield tuple([backend.xp.take(array, places[part], axis=0) for array in held])


class Mean:
    """The mean of batches' losses, weighted by the terms that each is a mean over, see `Loss.terms`.

    So it is that of all rows in one batch, however they were cut. It is kept on the device until it is asked for.

    Parameters
    ----------
    backend : Backend
    summed : bool
        Whether each is a sum, and they are added up.
    """

    def __init__(self, backend: Backend, summed: bool = False) -> None:
        self._backend = backend
        self._on_host = backend.on_host
        self._double = backend.dtype("float64")
        self._summed = summed
        self._sum: Any = 0.0 if self._on_host else backend.zeros((), self._double)
        self._terms = 0.0

    def add(self, loss: Array, terms: float) -> None:
        """Count one batch; one without terms counts nothing, whatever its loss."""
        if terms:
            backend = self._backend
            value = backend.item(loss) if self._on_host else backend.astype(loss, self._double)
            self._sum = self._sum + (value if self._summed else value * terms)
            self._terms += terms

    def state(self) -> tuple[Any, float]:
        """Return what was counted."""
        return self._sum, self._terms

    def put(self, state: tuple[Any, float]) -> None:
        """Go on from what `state` returned."""
        total, terms = state
        self._sum, self._terms = total if self._backend.is_array(total) else float(total), float(terms)

    @property
    def counts(self) -> bool:
        """Whether anything was counted."""
        return self._terms > 0

    def result(self) -> float:
        """Return the mean so far, NaN where nothing was counted; waits for the device."""
        if not self._terms:
            return math.nan
        total = self._backend.item(self._sum)
        return total if self._summed else total / self._terms


def counting(data: Data) -> Data:
    """Return the rows of which some step has a weight above 0."""
    several = [one for one in as_tuple(data.weights) if one is not None]
    if not several or len(several) < len(as_tuple(data.target)):
        return data
    rows = np.any([one.reshape(len(one), -1).any(axis=1) for one in several], axis=0)
    return data if rows.all() or not rows.any() else data.take(np.flatnonzero(rows))
