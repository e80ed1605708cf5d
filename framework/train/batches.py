"""Mini-batches: rows of the data, gathered on the host and brought to a model's backend, or gathered there."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.proven import proofs
from lamina.core.shapes import as_tuple
from lamina.data.goals import Goal
from lamina.data.shapes import Data, picked
from lamina.train.shares import Part, Share

__all__ = ["Batch", "batches", "count_batches", "counting", "hold", "placed"]

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
    part : Part or None
        Of which batch of all ranks it is a part, where there are several.
    """

    rows: int
    inputs: tuple[Array, ...]
    options: dict[str, Any]
    target: Array
    counted: Any = None
    hosts: tuple[Any, ...] = ()
    weights: Any = None
    shares: tuple[float, ...] | None = None
    part: Part | None = None

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
    share: Share | None = None,
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
    share : Share, optional
        Of which rank each batch has the rows alone.
    """
    inputs, target, lengths = data.inputs, data.target, data.lengths
    several, on_host, asarray = isinstance(lengths, tuple), backend.on_host, backend.asarray
    options: dict[str, Any] = {}
    pieces = _pieces(data, size, order, skip, share)
    if not on_host:
        pieces = iter(known := list(pieces))
        brought = _brought(data, [piece for piece, _ in known], backend, order, held)
    for piece, part in pieces:
        pick: Any = piece if order is None else order[piece]
        if several:
            options = {"lengths": tuple(None if own is None else own[pick] for own in lengths)}
        elif lengths is not None:
            options = {"lengths": lengths[pick]}
        counted = picked(target, pick) if isinstance(target, tuple) else None if target is None else target[pick]
        weights = None if data.weights is None else picked(data.weights, pick)
        if on_host:
            hosts = tuple([array[pick] for array in inputs])
            there = tuple([asarray(array) for array in hosts])
            aim = _placed(counted, asarray) if isinstance(target, tuple) or target is None else asarray(counted)
        else:
            hosts = tuple([array[pick] if array.dtype.kind in "iu" else None for array in inputs])
            there, aims, others = next(brought)
            aim, weights = _like(counted, aims), _alone(weights)
            for own, array in zip([*_each(options.get("lengths")), *_each(weights)], others, strict=True):
                backend.note_constant(own, array)
        yield Batch(piece.stop - piece.start, there, options, aim, counted, hosts, weights, None, part)


def _pieces(
    data: Data, size: int, order: np.ndarray[Any, Any] | None, skip: int, share: Share | None
) -> Iterator[tuple[slice, Part | None]]:
    """Yield where the rows of each batch lie in the order, and of which whole they are where they are a rank's."""
    for start in range(skip * size, data.rows, size):
        stop = min(start + size, data.rows)
        if share is None:
            yield slice(start, stop), None
            continue
        rows = slice(start, stop) if order is None else order[start:stop]
        own, part = share.part(stop - start, picked(data.lengths, rows))
        yield slice(start + own.start, start + own.stop), part


def placed(data: Data, backend: Backend, part: Part | None = None) -> Batch:
    """Return data, checked, as one batch where the model is."""
    asarray = backend.asarray
    options = {} if data.lengths is None else {"lengths": data.lengths}
    inputs, target = tuple([asarray(array) for array in data.inputs]), _placed(data.target, asarray)
    weights = data.weights if backend.on_host else _alone(data.weights)
    return Batch(data.rows, inputs, options, target, data.target, data.inputs, weights, None, part)


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
    parts: list[slice],
    backend: Backend,
    order: np.ndarray[Any, Any] | None,
    held: tuple[Array, ...] | None,
) -> Iterator[tuple[tuple[Array, ...], tuple[Array, ...], tuple[Array, ...]]]:
    """Yield each batch's inputs, targets, and lengths and weights, on the device: taken there, or brought ahead."""
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


def counting(data: Data) -> Data:
    """Return the rows of which some step has a weight above 0."""
    several = [one for one in as_tuple(data.weights) if one is not None]
    if not several or len(several) < len(as_tuple(data.target)):
        return data
    rows = np.any([one.reshape(len(one), -1).any(axis=1) for one in several], axis=0)
    return data if rows.all() or not rows.any() else data.take(np.flatnonzero(rows))
