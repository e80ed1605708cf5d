"""Steps picked from rows that differ in length: as Python's slices pick from a list, each row for itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.shapes import Lengths, Shape, show
from lamina.errors import ShapeError

__all__ = [
    "Picked",
    "axis_of",
    "is_time",
    "part_lengths",
    "pick_steps",
    "place_steps",
    "slice_of_rows",
    "stays_within",
    "step_of_rows",
]


class Picked(NamedTuple):
    """Which steps each row gives: ``counts`` of them, ``step`` apart, from ``first`` on; both (batch,)."""

    first: Lengths
    counts: Lengths
    step: int = 1


def slice_of_rows(start: int | None, stop: int | None, step: int, lengths: Lengths) -> Picked:
    """Return which steps ``row[start:stop:step]`` is, for a row of each length."""
    least, most = (np.zeros_like(lengths), lengths) if step > 0 else (np.full_like(lengths, -1), lengths - 1)

    def bound(value: int | None, otherwise: Lengths) -> Lengths:
        if value is None:
            return otherwise
        if value < 0:
            return np.maximum(lengths + value, least)
        return np.minimum(np.full_like(lengths, value), most)

    first = bound(start, least if step > 0 else most)
    span = (bound(stop, most if step > 0 else least) - first) * (1 if step > 0 else -1)
    return Picked(first, np.maximum((span + abs(step) - 1) // abs(step), 0), step)


def step_of_rows(index: int, lengths: Lengths) -> Picked:
    """Return which step ``row[index]`` is, for a row of each length; none where there is no such step."""
    first = lengths + index if index < 0 else np.full_like(lengths, index)
    return Picked(first, ((first >= 0) & (first < lengths)).astype(lengths.dtype))


def stays_within(start: int | None, stop: int | None, step: int) -> bool:
    """Tell whether a shorter row never gives more steps than a longer one.

    Otherwise one bound counts from the end and the other, which ends the slice, from the start: padding alone would
    decide how many steps there are.
    """
    ahead, behind = (start, stop) if step > 0 else (stop, start)
    return ahead is None or ahead >= 0 or behind is None or behind < 0


def part_lengths(lengths: Lengths, sizes: tuple[int, ...]) -> tuple[Lengths, ...]:
    """Return how many valid steps each row has in consecutive parts of its time axis."""
    starts = np.cumsum((0, *sizes[:-1]))
    return tuple(np.clip(lengths - start, 0, size) for start, size in zip(starts, sizes, strict=True))


def pick_steps(backend: Backend, x: Array, picked: Picked, size: int) -> Array:
    """Return (batch, size, ...) of x (batch, time, ...): each row's picked steps, then zeros."""
    places = np.arange(size)[None, :]
    return _gathered(backend, x, picked.first[:, None] + places * picked.step, places < picked.counts[:, None])


def place_steps(backend: Backend, dy: Array, picked: Picked, time: int) -> Array:
    """Return (batch, time, ...) with each row's steps of dy (batch, size, ...) where `pick_steps` took them from."""
    places, rest = np.divmod(np.arange(time)[None, :] - picked.first[:, None], picked.step)
    return _gathered(backend, dy, places, (rest == 0) & (places >= 0) & (places < picked.counts[:, None]))


def _gathered(backend: Backend, x: Array, places: Any, valid: Any) -> Array:
    """Return x's steps at places (batch, size), on the host, of each row, and zeros where they are not valid."""
    batch, time = x.shape[:2]
    shape = (*places.shape, *x.shape[2:])
    if not valid.any():
        return backend.zeros(shape, x.dtype)
    flat = np.where(valid, places, 0) + np.arange(batch)[:, None] * time
    rows = backend.reshape(x, (batch * time, *x.shape[2:]))
    taken = backend.reshape(backend.xp.take(rows, backend.asarray(flat.reshape(-1)), axis=0), shape)
    if valid.all():
        return taken
    mask = backend.reshape(backend.asarray(valid), (*places.shape, *(1,) * (x.ndim - 2)))
    return backend.xp.where(mask, taken, backend.zeros((), x.dtype))


def axis_of(layer: Any, shape: Shape) -> int:
    """Return the place of a layer's axis in a shape, or raise `ShapeError` where it is none, or the batch's."""
    rank = len(shape)
    if not -rank <= layer.axis < rank or layer.axis % rank == 0:
        raise ShapeError(f"{layer.label}: expected an axis after the batch, got axis {layer.axis} of {show(shape)}")
    return int(layer.axis % rank)


def is_time(layer: Any, rank: int, axis: int) -> bool:
    """Tell whether an axis, of so many, is that of time: the second, unless it holds the features."""
    return axis % rank == 1 and (rank > 2 or bool(layer.takes_integers))
