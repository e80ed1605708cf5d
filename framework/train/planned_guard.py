"""The guard against NaN and infinity where a plan takes the steps: what went wrong is searched by kernels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamina.backends import Array
from lamina.backends.step import Step
from lamina.compose.states import map_state
from lamina.train.batches import placed
from lamina.train.feeds import ArrayFeed
from lamina.train.finite_guard import FiniteGuard
from lamina.train.objective import Objective
from lamina.train.truncation import chunk_of

__all__ = ["PlannedGuard"]


class _Chunk(NamedTuple):
    """A chunk: the state before it, and its first step."""

    before: Any
    start: int


class PlannedGuard:
    """Raises `NonFiniteError` where a planned step's loss or gradients are not finite, before the weights are changed.

    The batch is run again by kernels, layer by layer, to say where that came from.

    Parameters
    ----------
    feed : ArrayFeed
    objective : Objective
    in_chunks : bool
        Whether batches are cut along their time.
    in_parts : bool
        Whether several of them make a step.
    """

    def __init__(self, feed: ArrayFeed, objective: Objective, in_chunks: bool, in_parts: bool) -> None:
        self._feed = feed
        self._guard = FiniteGuard(feed.model, objective, planned=True)
        self._in_chunks = in_chunks
        self._in_parts = in_parts
        self._epoch = self._step = 0
        self._before: Any = None
        self._steps = slice(0, None)

    def begin(self, epoch: int, steps: int = 0) -> None:
        """Begin an epoch, of that number, or go on with it after so many steps."""
        self._epoch, self._step = epoch, steps

    def keep(self, begins: bool) -> None:
        """Note what the next run changes; ``begins`` says whether it is the first of a step."""
        self._step += begins
        self._guard.keep(begins)

    def carry(self, plan: Step, rows: np.ndarray[Any, Any], steps: slice) -> None:
        """Note the states from which a chunk of some rows goes on."""
        self._steps, self._before = steps, None
        if steps.start:
            own = iter(plan.states(rows))
            self._before = map_state(lambda _: next(own), self._feed.model.stream_state(len(rows)))

    def check(
        self, value: Array, rows: np.ndarray[Any, Any], weight: float | None, shares: tuple[float, ...] | None = None
    ) -> None:
        """Raise where the latest run went wrong; see `FiniteGuard.check`."""
        if self._guard.is_finite(value):
            return
        batch, chunk = placed(self._feed.data.take(rows), self._feed.model.backend)._replace(shares=shares), None
        if self._in_chunks:
            chunk = _Chunk(self._before, self._steps.start)
            batch = chunk_of(batch, self._steps.start, self._steps.stop)
        self._guard.refuse(self._epoch, self._step, batch, chunk, weight if self._in_parts else None)
