"""Epochs of steps that the backend has planned: for data in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from typing import Any

import numpy as np

from lamina.backends.numpy.threads import threads_of_products
from lamina.core.lengths import lengths_after
from lamina.core.lowering import NotPlanned
from lamina.data.goals import Goal
from lamina.data.shapes import picked
from lamina.errors import BackendError
from lamina.optimization.optimizer import Optimizer
from lamina.plan.planned import PlannedStep
from lamina.train.accumulation import Accumulation, draws_for
from lamina.train.batches import Batch
from lamina.train.feeds import ArrayFeed, Order
from lamina.train.objective import JointObjective, objective_for, shares_of
from lamina.train.place import Place
from lamina.train.planned_guard import PlannedGuard
from lamina.train.planned_pieces import NumpyArray, Piece, Taken, common_lengths
from lamina.train.ranks import Ranks
from lamina.train.reduction import Reduction
from lamina.train.truncation import steps_of

__all__ = ["PlannedFeed"]


class PlannedFeed:
    """The rows of arrays, and the planned step that they are taken with.

    Parameters
    ----------
    feed : ArrayFeed
        Checked.
    goals : tuple of Goal
    optimizer : Optimizer
    truncate : int, optional
        How many steps a chunk has.
    accumulate : int
        How many batches, or chunks, make a step.
    check_finite : bool
    ranks : Ranks, optional
        That train together: each takes its part of every batch, a step's gradients are added up, see `reduce_by`.

    Raises
    ------
    NotPlanned
        If the backend cannot plan the step.
    """

    def __init__(
        self,
        feed: ArrayFeed,
        goals: tuple[Goal, ...],
        optimizer: Optimizer,
        truncate: int | None = None,
        accumulate: int = 1,
        *,
        check_finite: bool = False,
        ranks: Ranks | None = None,
    ) -> None:
        self.feed = feed
        self._ranks = ranks
        self._in_parts = accumulate > 1 or ranks is not None
        self._truncate = truncate
        self._accumulate = accumulate
        self._objective = objective = objective_for(goals)
        self._joint = isinstance(objective, JointObjective)
        self._gradients = Accumulation(accumulate, objective.divides)
        in_chunks = truncate is not None
        self._draws = draws_for(feed.model, accumulate, in_chunks, ranks is not None)
        self._guard = PlannedGuard(feed, objective, in_chunks, self._in_parts) if check_finite else None
        self._optimizer = optimizer
        self._goals = goals
        self._measured = any(goal.metrics for goal in goals)
        data, lengths = feed.data, common_lengths(feed.data, feed.model)
        self._lengths = None if lengths is None else np.ascontiguousarray(lengths, np.int64)
        self._dtype = np.dtype(feed.model.bound().dtype)
        self._number = self._next = 0
        #: By output, which of the plan's losses it has; None for none.
        self._places: list[int | None] = []
        self._factors: list[float] = []
        for goal, target in zip(goals, self._each(data.target), strict=True):
            trained = goal.loss is not None and target is not None
            self._places.append(len(self._factors) if trained else None)
            self._factors += [goal.weight] if trained else []
        self.step = self._planned()

    def reduce_by(self, reduction: Reduction) -> None:
        """Add the gradients up over all ranks in each step."""
        self._gradients = Accumulation(self._accumulate, self._objective.divides, reduction)

    def _each(self, value: Any) -> tuple[Any, ...]:
        """Return what there is of each output: of one, the value itself."""
        if self._joint:
            found: tuple[Any, ...] = (None,) * len(self._goals) if value is None else value
            return found
        return (value,)

    def _planned(self) -> PlannedStep:
        """Return the step, planned for the model as it is."""
        feed, data = self.feed, self.feed.data
        weights = tuple(
            None if one is None else np.asarray(one, self._dtype)[..., None] for one in self._each(data.weights)
        )
        losses, targets = tuple(goal.loss for goal in self._goals), self._each(data.target)
        rows = min(feed.batch_size, data.rows)
        part = self._in_parts
        step = PlannedStep(
            feed.model, losses, self._optimizer, data.inputs, targets, weights, rows, threads_of_products(),
            self._truncate, part, part and self._objective.divides,
        )  # fmt: skip
        step.give(data.inputs, targets, weights, self._lengths)
        if self._joint:
            step.plan.weigh(self._factors)
        return step

    def epoch(self, order: Order | None = None, place: Place | None = None) -> Iterator[Taken]:
        """Take the steps of an epoch from a place on, in an order; yield what came of each batch or chunk."""
        place = Place() if place is None else place
        self._number, self._next = place.batches, place.start
        if self._guard is not None:
            self._guard.begin(place.epoch, place.steps)
        pieces = self._pieces(order, place)
        if self._joint and (self._ranks is not None or (self._accumulate > 1 and self._truncate is None)):
            pieces = self._shared_out(pieces)
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
        for number, whole in enumerate(self.feed.picks(order)):
            if number < place.batches:
                continue
            rows, part = self.feed.own(whole)
            ends, all_ends = (None if self._lengths is None else self._lengths[one] for one in (rows, whole))
            if self._truncate is None:
                yield Piece(rows, ends, slice(0, None), number, None, part)
                continue
            steps = next(one.shape[1] for one in self._each(self.feed.data.target) if one is not None)
            for start in range(place.start if number == place.batches else 0, steps, self._truncate):
                stop = min(start + self._truncate, steps)
                own = None if ends is None else np.clip(ends - start, 0, stop - start)
                if start and all_ends is not None and not (all_ends > start).any():
                    break
                yield Piece(rows, own, slice(start, stop), number, None, part)

    def _shared_out(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Yield pieces with their shares of the terms of their step: see `lamina.train.objective.shared_out`."""
        program = self.step.program
        while together := list(islice(pieces, self._accumulate if self._truncate is None else 1)):
            found = []
            for piece in together:
                shapes = [
                    (len(piece.rows), *([] if one.frame is None else [program.frames[one.frame].steps]), one.features)
                    for one in program.outputs
                ]
                like = tuple(np.broadcast_to(0.0, shape) for shape in shapes)
                found.append(self._objective.terms(like, self._batch(piece), self._after(piece.ends)))
            for piece, shares in zip(together, shares_of(found, self._ranks), strict=True):
                yield piece._replace(shares=shares)

    def _take(self, piece: Piece, last: bool) -> Taken:
        """Take a step, or a part of one, which ends with the last piece at the latest."""
        rows, steps, step, guard = piece.rows, piece.steps, self.step, self._guard
        plan = step.plan
        if self._truncate is not None:
            plan.take_steps(steps.start, steps.stop - steps.start)
            if guard is not None:
                guard.carry(plan, rows, steps)
            if not steps.start:
                plan.begin()
        if self._in_parts:
            return self._add(piece, last)
        if guard is None:
            step.run(rows, len(rows))
        else:
            guard.keep(True)
            step.run_then(rows, len(rows), lambda: guard.check(self._values()[0], rows, None))
        total, values, terms = self._values()
        return self._taken(piece, values, terms, total)

    def _values(self, shares: tuple[float, ...] | None = None) -> tuple[Any, tuple[Any, ...], tuple[float, ...]]:
        """Return the loss of the latest run, that of each output, and over how many terms each is a mean."""
        plan, number = self.step.plan, self._dtype.type
        if not self._joint:
            value = number(plan.loss[0])
            return value, (value,), (float(plan.terms[0]),)
        total, values, terms = number(0), [], []
        for index, place in enumerate(self._places):
            values.append(None if place is None else number(plan.loss[place]))
            terms.append(0.0 if place is None else float(plan.terms[place]))
            if place is not None:
                total = total + values[-1] * number(self._factor(index, shares))
        return total, tuple(values), tuple(terms)

    def _factor(self, index: int, shares: tuple[float, ...] | None) -> float:
        """Return by what an output's loss is multiplied."""
        goal = self._goals[index]
        summed = shares is None or goal.loss is None or goal.loss.reduction == "sum"
        return goal.weight if summed else goal.weight * shares[index]  # type: ignore[index]  # it is not None

    def _add(self, piece: Piece, last: bool) -> Taken:
        """Add the gradients of a part of a step, and end it where all were taken."""
        gradients, rows, guard, shares = self._gradients, piece.rows, self._guard, piece.shares
        begins = not gradients.count
        if shares is not None:
            self.step.plan.weigh(
                [self._factor(index, shares) for index, place in enumerate(self._places) if place is not None]
            )
        with nullcontext() if self._draws is None else self._draws.part(len(rows), begins, piece.part):
            if guard is not None:
                guard.keep(begins)
            self.step.add(rows, len(rows), begins)
            total, values, terms = self._values(shares)
            mean = total
            if gradients.divides and terms[0]:  # of what was left a sum
                mean = total / self._dtype.type(terms[0])
                values = (mean,)
            if guard is not None:
                guard.check(mean, rows, terms[0] if gradients.divides else 1.0, shares)
        gradients.add(total, terms[0])
        ended = None
        if gradients.count == self._accumulate or last:
            ended = gradients.finish(self._optimizer)
            self._optimizer.step()
        return self._taken(piece, values, terms, ended)

    def _batch(self, piece: Piece) -> Batch:
        """Return what metrics look at of a piece, without its inputs."""
        data, rows, ends, steps = self.feed.data, piece.rows, piece.ends, piece.steps
        target, weights = picked(data.target, rows), picked(data.weights, rows)
        if self._truncate is not None:
            target, weights = (steps_of(one, steps.start, steps.stop) for one in (target, weights))
        options = {} if ends is None else {"lengths": ends}
        return Batch(len(rows), (), options, target, target, (), weights, piece.shares)

    def _taken(self, piece: Piece, values: tuple[Any, ...], terms: tuple[float, ...], ended: Any) -> Taken:
        """Return what came of a piece, with what metrics look at."""
        if not self._measured:
            return Taken(None, values, terms, None, None, ended)
        plan = self.step.plan
        found = tuple(plan.output(index) for index in range(len(self._goals)))
        if self._truncate is not None:
            found = tuple(one[:, : piece.steps.stop - piece.steps.start] if one.ndim > 2 else one for one in found)
        batch, predicted = self._batch(piece), found if self._joint else found[0]
        return Taken(batch, values, terms, predicted, self._after(piece.ends), ended)

    def _after(self, ends: NumpyArray | None) -> Any:
        """Return the lengths of the outputs."""
        given, model = self.feed.data.lengths, self.feed.model
        if ends is None or not isinstance(given, tuple):
            return lengths_after(model, ends)
        return lengths_after(model, tuple(None if own is None else ends for own in given))
