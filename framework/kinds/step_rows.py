"""Which rows of a batch a step of time has: those that have ended take no part in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.shapes import Lengths, as_tuple
from lamina.kinds.draws import CallSteps, picked_rows

__all__ = ["StepRows"]


class StepRows:
    """Runs a cell step by step, each on the rows that have that step.

    A cell may hold layers that take rows together, as `BatchNorm` does: what stands past a row's end must not count.

    Parameters
    ----------
    backend : Backend
    lengths : (batch,) integers or None
        None where every row has every step.
    shape : tuple of int
        (batch, time, features).
    reverse : bool
        Whether the steps come from the last to the first.

    Attributes
    ----------
    draws : CallSteps
        In which to run the steps.
    """

    def __init__(self, backend: Backend, lengths: Lengths | None, shape: tuple[int, ...], reverse: bool) -> None:
        self._backend = backend
        self.draws = CallSteps()
        self._lengths = lengths if lengths is not None and bool((lengths < shape[1]).any()) else None
        self._step, self._by = (shape[1] - 1, -1) if reverse else (0, 1)

    def forward(
        self, forward: Callable[..., Any], x: Array, before: tuple[Array, ...]
    ) -> tuple[tuple[Array, ...], Any]:
        """Return the states after the next step, those of rows that have ended as before, and what `backward` needs."""
        step, self._step = self._step, self._step + self._by
        self.draws.step = step
        if self._lengths is None:
            after, saved = forward(x, *before)
            return as_tuple(after), (None, saved)
        valid = self._lengths > step
        if valid.all():
            after, saved = forward(x, *before)
            return as_tuple(after), (None, saved)
        picked = _Picked.of(self._backend, valid)
        if not len(picked.rows):
            return before, (picked, x.shape)
        with picked_rows(picked.rows):
            after, saved = forward(picked.take(x), *[picked.take(state) for state in before])
        return tuple(picked.put(new, old) for new, old in zip(as_tuple(after), before, strict=True)), (picked, saved)

    @staticmethod
    def backward(backward: Callable[..., Any], after: tuple[Array, ...], saved: Any) -> tuple[Array, tuple[Array, ...]]:
        """Return the gradients of x and of the states before a step, 0 of rows that have ended."""
        picked, content = saved
        if picked is None:
            dx, *before = backward(after if len(after) > 1 else after[0], content)
            return dx, tuple(before)
        zeros = picked.backend.zeros
        if not len(picked.rows):
            return zeros(content, after[0].dtype), tuple(zeros(one.shape, one.dtype) for one in after)
        given = tuple(picked.take(one) for one in after)
        dx, *before = backward(given if len(given) > 1 else given[0], content)
        batch = after[0].shape[0]
        return picked.put(dx, zeros((batch, dx.shape[1]), dx.dtype)), tuple(
            picked.put(one, zeros((batch, one.shape[1]), one.dtype)) for one in before
        )


class _Picked(NamedTuple):
    """Some rows of a batch, and how they are taken from it and put back.

    Attributes
    ----------
    backend : Backend
    rows : (n,) integers
        On the host.
    valid : (batch,) bool
    ids, places : arrays of integers
        Which rows there are, and where each of the batch is among them.
    """

    backend: Backend
    rows: np.ndarray[Any, Any]
    valid: Any
    ids: Array
    places: Array

    @classmethod
    def of(cls, backend: Backend, valid: np.ndarray[Any, Any]) -> _Picked:
        rows = np.flatnonzero(valid)
        places = np.maximum(np.cumsum(valid) - 1, 0)
        return cls(backend, rows, valid, backend.asarray(rows, "int64"), backend.asarray(places, "int64"))

    def take(self, array: Array) -> Array:
        """Return the rows of an array of the batch."""
        return self.backend.take_rows(array, self.ids)

    def put(self, rows: Array, others: Array) -> Array:
        """Return an array of the batch, with these rows in their places."""
        return self.backend.choose_rows(self.valid, self.backend.take_rows(rows, self.places), others)
