"""Which rows of a batch a step of time has: those that have ended take no part in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.shapes import Lengths, as_tuple
from lamina.kinds.draws import CallSteps

__all__ = ["StepRows"]


class StepRows:
    """Runs a cell step by step, each on the rows that have that step, and keeps the states of the others.

    A cell may hold layers that take rows together, as `BatchNorm` does: what stands past a row's end must not count
    there. The rows are put in the order of their lengths, the longest first, so that those of a step are the first.

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
        self._backend, self._batch = backend, shape[0]
        self.draws = CallSteps()
        self._step, self._by = (shape[1] - 1, -1) if reverse else (0, 1)
        self._lengths = lengths if lengths is not None and bool((lengths < shape[1]).any()) else None
        self._order: Any = None
        self._places: tuple[Array, Array] | None = None
        if self._lengths is not None:
            self._counts = (self._lengths > np.arange(shape[1])[:, None]).sum(axis=1).tolist()
            order = np.argsort(-self._lengths, kind="stable")
            if not (order[1:] > order[:-1]).all():
                self._order = order
                self._places = backend.constant(order, "int64"), backend.constant(np.argsort(order), "int64")

    def sort(self, array: Array) -> Array:
        """Return an array of the batch in the order in which its steps are run."""
        return array if self._places is None else self._backend.xp.take(array, self._places[0], axis=0)

    def restore(self, array: Array) -> Array:
        """Return an array in that order as the batch has it."""
        return array if self._places is None else self._backend.xp.take(array, self._places[1], axis=0)

    def zero_past(self, array: Array) -> Array:
        """Return an array of the batch (batch, time, ...) with zeros past the rows' ends."""
        return self._backend.zero_past(array, self._lengths)

    def forward(
        self, forward: Callable[..., Any], x: Array, before: tuple[Array, ...], own: int = 0
    ) -> tuple[tuple[Array, ...], Any]:
        """Return the states after the next step, those of rows that have ended as before, and what `backward` needs.

        So many of the first, ``own``, the step gives and does not take: outputs that are no states.
        """
        step, self._step = self._step, self._step + self._by
        count = self._batch if self._lengths is None else self._counts[step]
        draws = self.draws
        draws.step = step
        if count == self._batch:
            draws.rows = self._order
            after, saved = forward(x, *before[own:])
            return as_tuple(after), (count, saved)
        if not count:
            return before, (0, x.shape)
        draws.rows = np.arange(count) if self._order is None else self._order[:count]
        after, saved = forward(x[:count, ...], *[state[:count, ...] for state in before[own:]])
        return self._with_rest(as_tuple(after), before, count), (count, saved)

    def backward(
        self, backward: Callable[..., Any], after: tuple[Array, ...], saved: Any, own: int = 0
    ) -> tuple[Array, tuple[Array, ...]]:
        """Return the gradients of x, 0 of rows that have ended, and of the states before a step."""
        count, content = saved
        if count == self._batch:
            dx, *before = backward(after if len(after) > 1 else after[0], content)
            return dx, (*self._nothing(after, own), *before)
        backend = self._backend
        if not count:
            return backend.zeros(content, after[0].dtype), after
        given = tuple([one[:count, ...] for one in after])
        dx, *before = backward(given if len(given) > 1 else given[0], content)
        ended = backend.zeros((self._batch - count, dx.shape[1]), dx.dtype)
        before = [*self._nothing(given, own), *before]
        return backend.concatenate([dx, ended], 0), self._with_rest(tuple(before), after, count)

    def _nothing(self, after: tuple[Array, ...], own: int) -> list[Array]:
        """Return the gradients of what a step did not take."""
        return [self._backend.zeros(one.shape, one.dtype) for one in after[:own]]

    def _with_rest(self, rows: tuple[Array, ...], others: tuple[Array, ...], count: int) -> tuple[Array, ...]:
        concatenate = self._backend.concatenate
        return tuple([concatenate([one, other[count:, ...]], 0) for one, other in zip(rows, others, strict=True)])
