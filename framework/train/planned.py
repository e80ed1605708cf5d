"""Epochs of steps that the backend has planned: for data in memory, and one output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
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
from lamina.train.accumulation import Accumulation, JointDraws
from lamina.train.batches import Batch
from lamina.train.feeds import ArrayFeed, Feed, Order
from lamina.train.place import Place

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
    ended : array or None
        The loss of the step that ended with it, 0-d; None where more batches belong to the step.
    """

    batch: Any
    value: Any
    terms: float
    prediction: Any
    lengths: Any
    ended: Any


class Piece(NamedTuple):
    """What a run of the plan takes.

    Attributes
    ----------
    rows : (rows,) integers
    ends : array or None
        Their lengths, within the steps.
    steps : slice
        Of all of time: from 0 to the end, or a chunk of it.
    number : int
        Of the batch, from 0.
    """

    rows: NumpyArray
    ends: NumpyArray | None
    steps: slice
    number: int


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
    accumulate : int
        How many batches, or chunks, make a step.

    Raises
    ------
    NotPlanned
        If the backend cannot plan the step.
    """

    def __init__(
        self, feed: ArrayFeed, goal: Goal, optimizer: Optimizer, truncate: int | None = None, accumulate: int = 1
    ) -> None:
        assert goal.loss is not None
        self.feed = feed
        self._truncate = truncate
        self._accumulate = accumulate
        self._gradients = Accumulation(accumulate, goal.loss.reduction != "sum")
        # Chunks are more steps of the same rows, and each is a call of its own.
        self._draws = JointDraws(feed.model) if accumulate > 1 and truncate is None else None
        self._optimizer = optimizer
        self._goal = goal
        data = feed.data
        assert not isinstance(data.lengths, tuple)
        self._lengths = None if data.lengths is None else np.ascontiguousarray(data.lengths, np.int64)
        self._dtype = np.dtype(feed.model.bound().dtype)
        self._number = self._next = 0
        self.step = self._planned()

    def _planned(self) -> PlannedStep:
        """Return the step, planned for the model as it is."""
        feed, data, loss = self.feed, self.feed.data, self._goal.loss
        assert loss is not None
        weights = () if data.weights is None else (np.asarray(data.weights, self._dtype)[..., None],)
        targets = data.target, *weights
        rows = min(feed.batch_size, data.rows)
        threads = threads_of_products()
        part, cut = self._accumulate > 1, self._truncate
        step = PlannedStep(feed.model, loss, self._optimizer, data.inputs, targets, rows, threads, cut, part)
        step.give(data.inputs, targets, self._lengths)
        return step

    def epoch(self, order: Order | None = None, place: Place | None = None) -> Iterator[Taken]:
        """Take the steps of an epoch from a place on, in an order; yield what came of each batch or chunk."""
        place = Place() if place is None else place
        self._number, self._next = place.batches, place.start
        pieces = self._pieces(order, place)
        piece = next(pieces, None)
        if place.start:  # in the middle of a batch
            self._plan_anew()
            self.step.plan.carry(place.carried)
        while piece is not None:
            if not piece.steps.start:
                self._plan_anew()
            following = next(pieces, None)
            taken = self._take(piece, last=following is None)
            cut = self._truncate is not None
            self._number, self._next = (piece.number, piece.steps.stop) if cut else (piece.number + 1, 0)
            yield taken
            piece = following

    @property
    def place(self) -> tuple[int, int, Any]:
        """How many batches were gone through, and of the one after them where to go on, and with which states."""
        return self._number, self._next, self.step.plan.carried() if self._next else None

    def _plan_anew(self) -> None:
        """Plan the step again where it does not stand: a callback has moved the model, or froze a part."""
        if self.step.stands:
            return
        try:
            self.step = self._planned()
        except NotPlanned as reason:
            raise BackendError(f"Trainer: the step cannot be planned any more: {reason}") from None

    def _pieces(self, order: Order | None, place: Place) -> Iterator[Piece]:
        """Yield what is taken from a place on, whole or in chunks."""
        for number, rows in enumerate(self.feed.picks(order)):
            if number < place.batches:
                continue
            ends = None if self._lengths is None else self._lengths[rows]
            if self._truncate is None:
                yield Piece(rows, ends, slice(0, None), number)
                continue
            steps = self.feed.data.target.shape[1]
            for start in range(place.start if number == place.batches else 0, steps, self._truncate):
                stop = min(start + self._truncate, steps)
                own = None if ends is None else np.clip(ends - start, 0, stop - start)
                if start and own is not None and not own.any():
                    break
                yield Piece(rows, own, slice(start, stop), number)

    def _take(self, piece: Piece, last: bool) -> Taken:
        """Take a step, or a part of one, which ends with the last piece at the latest."""
        rows, steps = piece.rows, piece.steps
        plan = self.step.plan
        if self._truncate is not None:
            if not steps.start:
                plan.begin()
            plan.take_steps(steps.start, steps.stop - steps.start)
        if self._accumulate == 1:
            self.step.run(rows, len(rows))
            value = ended = self._dtype.type(plan.loss[0])
        else:
            value, ended = self._add(rows, last)
        return self._taken(piece, value, ended)

    def _add(self, rows: NumpyArray, last: bool) -> tuple[Any, Any]:
        """Add the gradients of a part of a step, and end it where all were taken; return its loss, and the step's."""
        gradients, plan = self._gradients, self.step.plan
        begins = not gradients.count
        with nullcontext() if self._draws is None else self._draws.part(len(rows), begins):
            self.step.add(rows, len(rows), begins)
        terms, total = float(plan.terms[0]), self._dtype.type(plan.loss[0])
        gradients.add(total, terms)
        value = total / self._dtype.type(terms) if gradients.divides and terms else total
        if gradients.count < self._accumulate and not last:
            return value, None
        ended = gradients.finish(self._optimizer)
        self._optimizer.step()
        return value, ended

    def _taken(self, piece: Piece, value: Any, ended: Any) -> Taken:
        """Return what came of a piece, with what metrics look at."""
        plan, data, (rows, ends, steps, _) = self.step.plan, self.feed.data, piece
        terms = float(plan.terms[0])
        if not self._goal.metrics:
            return Taken(None, value, terms, None, None, ended)
        target, weights = data.target[rows], None if data.weights is None else data.weights[rows]
        prediction = plan.output(0)
        if self._truncate is not None:
            target, prediction = target[:, steps], prediction[:, : steps.stop - steps.start]
            weights = weights if weights is None or weights.ndim < 2 else weights[:, steps]
        batch = Batch(len(rows), (), {} if ends is None else {"lengths": ends}, target, target, (), weights)
        return Taken(batch, value, terms, prediction, lengths_after(self.feed.model, ends), ended)


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
        "check_finite": trainer.check_finite,
        "precision": trainer.precision != "fp32",
    }
    try:
        asked = [name for name, given in unplanned.items() if given]
        return _planned(feed, goals, optimizer, asked, truncate, trainer.accumulate)
    except NotPlanned as reason:
        if trainer.compile:
            raise ArgumentError(f"Trainer: compile=True, but {reason}") from None
        return None


def _planned(
    feed: Feed,
    goals: tuple[Goal, ...],
    optimizer: Optimizer,
    asked: list[str],
    truncate: int | None,
    accumulate: int,
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
    return PlannedFeed(feed, goals[0], optimizer, truncate, accumulate)


def hint(model: Layer, seconds: float) -> str:
    """Return what to say of a run with so many seconds to go whose steps are not planned; empty for nothing."""
    backend = model.backend
    if seconds < _LONG or backend.plans_steps or not backend.on_host:
        return ""
    if any(own_lowering(layer) is None for _, layer in model.walk()):
        return ""
    return "backend 'numba' compiles such training steps, which may be several times as fast: pip install -e '.[numba]'"
