"""Epochs of steps that the backend has planned: for data in memory, one output, whole sequences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from lamina.backends.numpy.threads import threads_of_products
from lamina.core.arguments import name_of
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.lowering import NotPlanned, own_lowering
from lamina.data.goals import Goal
from lamina.errors import ArgumentError, BackendError
from lamina.optimization.optimizer import Optimizer
from lamina.plan.planned import PlannedStep
from lamina.train.batches import Batch
from lamina.train.feeds import ArrayFeed, Feed

__all__ = ["PlannedFeed", "Taken", "hint", "planned_feed"]

# Seconds of a run from which on it is said that its steps could be compiled.
_LONG = 120.0

NumpyArray = np.ndarray[Any, Any]


class Taken(NamedTuple):
    """A step that was taken.

    Attributes
    ----------
    batch : Batch
        None where nothing is measured beside the loss.
    value : array
        The loss, 0-d.
    terms : float
        Over how many terms it is a mean.
    prediction : array or None
    lengths : array or None
        Of the prediction.
    """

    batch: Any
    value: Any
    terms: float
    prediction: Any
    lengths: Any


class PlannedFeed:
    """The rows of arrays, and the planned step that they are taken with.

    Parameters
    ----------
    feed : ArrayFeed
        Checked.
    goal : Goal
    optimizer : Optimizer
    truncate : int, optional
        How many steps a chunk has.

    Raises
    ------
    NotPlanned
        If the backend cannot plan the step.
    """

    def __init__(self, feed: ArrayFeed, goal: Goal, optimizer: Optimizer, truncate: int | None = None) -> None:
        self.feed = feed
        self._truncate = truncate
        self._optimizer = optimizer
        self._goal = goal
        data = feed.data
        assert not isinstance(data.lengths, tuple)
        self._lengths = None if data.lengths is None else np.ascontiguousarray(data.lengths, np.int64)
        self._dtype = np.dtype(feed.model.bound().dtype)
        self.step = self._planned()

    def _planned(self) -> PlannedStep:
        """Return the step, planned for the model as it is."""
        feed, data, loss = self.feed, self.feed.data, self._goal.loss
        assert loss is not None
        weights = () if data.weights is None else (np.asarray(data.weights, self._dtype)[..., None],)
        targets = data.target, *weights
        rows = min(feed.batch_size, data.rows)
        threads = threads_of_products()
        step = PlannedStep(feed.model, loss, self._optimizer, data.inputs, targets, rows, threads, self._truncate)
        step.give(data.inputs, targets, self._lengths)
        return step

    def take(self, rows: NumpyArray) -> Iterator[Taken]:
        """Take a step on some rows, or one on each chunk of theirs; yield them."""
        if not self.step.stands:  # a callback has moved the model, or froze a part
            try:
                self.step = self._planned()
            except NotPlanned as reason:
                raise BackendError(f"Trainer: the step cannot be planned any more: {reason}") from None
        ends = None if self._lengths is None else self._lengths[rows]
        if self._truncate is None:
            yield self._taken(rows, ends, slice(None))
            return
        steps, plan = self.feed.data.target.shape[1], self.step.plan
        plan.begin()
        for start in range(0, steps, self._truncate):
            stop = min(start + self._truncate, steps)
            own = None if ends is None else np.clip(ends - start, 0, stop - start)
            if start and own is not None and not own.any():
                return
            plan.take_steps(start, stop - start)
            yield self._taken(rows, own, slice(start, stop))

    def _taken(self, rows: NumpyArray, ends: NumpyArray | None, steps: slice) -> Taken:
        step, plan, data = self.step, self.step.plan, self.feed.data
        step.run(rows, len(rows))
        value = self._dtype.type(plan.loss[0])
        if not self._goal.metrics:
            return Taken(None, value, float(plan.terms[0]), None, None)
        target, weights = data.target[rows], None if data.weights is None else data.weights[rows]
        prediction = plan.output(0)
        if self._truncate is not None:
            target, prediction = target[:, steps], prediction[:, : steps.stop - steps.start]
            weights = weights if weights is None or weights.ndim < 2 else weights[:, steps]
        batch = Batch(len(rows), (), {} if ends is None else {"lengths": ends}, target, target, (), weights)
        return Taken(batch, value, float(plan.terms[0]), prediction, lengths_after(self.feed.model, ends))


def planned_feed(
    trainer: Any, feed: Feed, goals: tuple[Goal, ...], optimizer: Optimizer, truncate: int | None
) -> PlannedFeed | None:
    """Return how the steps of a run are taken by a plan; None where they are not.

    Parameters
    ----------
    trainer : Trainer
        Its ``compile`` says whether they must, may or must not be.
    feed : Feed
    goals : tuple of Goal
    optimizer : Optimizer
    truncate : int or None

    Raises
    ------
    ArgumentError
        If they must be planned and cannot.
    """
    if trainer.compile is False:
        return None
    unplanned = {
        "accumulate": trainer.accumulate > 1,
        "check_finite": trainer.check_finite,
        "precision": trainer.precision != "fp32",
    }
    try:
        return _planned(feed, goals, optimizer, [name for name, given in unplanned.items() if given], truncate)
    except NotPlanned as reason:
        if trainer.compile:
            raise ArgumentError(f"Trainer: compile=True, but {reason}") from None
        return None


def _planned(
    feed: Feed, goals: tuple[Goal, ...], optimizer: Optimizer, asked: list[str], truncate: int | None
) -> PlannedFeed:
    if not feed.model.backend.plans_steps:
        raise NotPlanned(f"backend {feed.model.backend.name!r} plans no steps")
    if asked:
        raise NotPlanned(f"with {asked[0]} no step is planned")
    if not isinstance(feed, ArrayFeed):
        raise NotPlanned("the data are no arrays in memory")
    data = feed.data
    if len(goals) > 1 or goals[0].name or goals[0].loss is None:
        raise NotPlanned("the model has several outputs")
    if isinstance(data.lengths, tuple) or isinstance(data.target, tuple) or isinstance(data.weights, tuple):
        raise NotPlanned("its inputs have lengths of their own")
    if np.ma.isMaskedArray(data.target) or data.target.dtype.kind not in "iubf":
        raise NotPlanned(f"{name_of(goals[0].loss)} has targets of {data.target.dtype}")
    return PlannedFeed(feed, goals[0], optimizer, truncate)


def hint(model: Layer, seconds: float) -> str:
    """Return what to say of a run with so many seconds to go whose steps are not planned; empty for nothing."""
    backend = model.backend
    if seconds < _LONG or backend.plans_steps or not backend.on_host:
        return ""
    if any(own_lowering(layer) is None for _, layer in model.walk()):
        return ""
    return "backend 'numba' compiles such training steps, which may be several times as fast: pip install -e '.[numba]'"
