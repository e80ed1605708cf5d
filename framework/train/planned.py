"""Epochs of steps that the backend has planned: for data in memory, one output, whole sequences."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamina.backends.numpy.threads import threads_of_products
from lamina.core.arguments import name_of
from lamina.core.lengths import lengths_after
from lamina.core.lowering import NotPlanned
from lamina.data.goals import Goal
from lamina.errors import ArgumentError
from lamina.plan.planned import PlannedStep
from lamina.train.batches import Batch
from lamina.train.feeds import ArrayFeed, Feed

__all__ = ["PlannedFeed", "Taken", "planned_feed"]

NumpyArray = np.ndarray[Any, Any]


class Taken(NamedTuple):
    """A step that was taken.

    Attributes
    ----------
    batch : Batch or None
        Where something is measured beside the loss.
    value : array
        The loss, 0-d.
    terms : float
        Over how many terms it is a mean.
    prediction : array or None
    lengths : array or None
        Of the prediction.
    """

    batch: Batch | None
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
    step : PlannedStep
    """

    def __init__(self, feed: ArrayFeed, goal: Goal, step: PlannedStep) -> None:
        self.feed = feed
        self.step = step
        self._goal = goal
        data = feed.data
        assert not isinstance(data.lengths, tuple)
        self._lengths: NumpyArray | None = data.lengths
        self._dtype = np.dtype(feed.model.bound().dtype)
        step.give(*arrays_of(feed))

    def take(self, rows: NumpyArray) -> Taken:
        """Take a step on some rows."""
        step, plan, data = self.step, self.step.plan, self.feed.data
        step.run(rows, len(rows))
        value = self._dtype.type(plan.loss[0])
        if not self._goal.metrics:
            return Taken(None, value, float(plan.terms[0]), None, None)
        options = {} if self._lengths is None else {"lengths": self._lengths[rows]}
        target, weights = data.target[rows], None if data.weights is None else data.weights[rows]
        batch = Batch(len(rows), (), options, target, target, (), weights)
        lengths = lengths_after(self.feed.model, options.get("lengths"))
        return Taken(batch, value, float(plan.terms[0]), plan.output(0), lengths)


def arrays_of(feed: ArrayFeed) -> tuple[tuple[NumpyArray, ...], tuple[NumpyArray, ...], NumpyArray | None]:
    """Return the inputs, the targets with the weights of the terms, and the lengths, as a plan reads them."""
    data, dtype = feed.data, feed.model.bound().dtype
    assert not isinstance(data.lengths, tuple)
    inputs = tuple(_laid_out(array, dtype) for array in data.inputs)
    targets = [_laid_out(data.target, dtype)]
    if data.weights is not None:
        weights, target = np.asarray(data.weights, dtype), data.target
        steps = target.ndim == 3 or (target.ndim == 2 and target.dtype.kind in "iub")
        if steps and weights.ndim == 1:
            weights = np.repeat(weights[:, None], target.shape[1], axis=1)
        targets.append(_laid_out(weights[..., None], dtype))
    lengths = None if data.lengths is None else np.ascontiguousarray(data.lengths, np.int64)
    return inputs, tuple(targets), lengths


def _laid_out(array: NumpyArray, dtype: str) -> NumpyArray:
    return np.ascontiguousarray(array, np.int64 if array.dtype.kind in "iub" else dtype)


def planned_feed(
    feed: Feed,
    model: Any,
    goals: tuple[Goal, ...],
    optimizer: Any,
    settings: dict[str, Any],
    compiled: bool | None,
) -> PlannedFeed | None:
    """Return how the steps of a run are taken by a plan; None where they are not.

    Parameters
    ----------
    feed : Feed
    model : Layer
    goals : tuple of Goal
    optimizer : Optimizer
    settings : dict
        What of a run no plan can do, by what it is called, each with whether it is asked for.
    compiled : bool or None
        True where it must be, False where it must not.

    Raises
    ------
    ArgumentError
        If it must be planned and cannot.
    """
    if compiled is False:
        return None
    try:
        return _planned(feed, model, goals, optimizer, settings)
    except NotPlanned as reason:
        if compiled:
            raise ArgumentError(f"Trainer: compile=True, but {reason}") from None
        return None


def _planned(feed: Feed, model: Any, goals: tuple[Goal, ...], optimizer: Any, settings: dict[str, Any]) -> PlannedFeed:
    asked = [name for name, given in settings.items() if given]
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
    inputs, targets, _ = arrays_of(feed)
    rows = min(feed.batch_size, data.rows)
    step = PlannedStep(model, goals[0].loss, optimizer, inputs, targets, rows, threads_of_products())
    return PlannedFeed(feed, goals[0], step)
