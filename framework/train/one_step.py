"""One training step by itself, for loops of one's own."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from lamina.data.naming import Naming
from lamina.data.shapes import build_for, restored_on_error
from lamina.errors import ArgumentError
from lamina.train.accumulation import Accumulation, JointDraws
from lamina.train.adaptation import require_adapted
from lamina.train.alignment import align
from lamina.train.batches import Batch
from lamina.train.closure import Again, compute
from lamina.train.finite_guard import FiniteGuard
from lamina.train.fitting import whole_feed
from lamina.train.measuring import Measuring, names_of, weighted_for
from lamina.train.meter import Meter
from lamina.train.objective import JointObjective, objective_for, shared_out
from lamina.train.optimizer_choice import OptimizerChoice
from lamina.train.parts import Parts
from lamina.train.precision import at_work, require_precision
from lamina.train.ranks import Ranks, require_sharable
from lamina.train.reduction import Reduction

__all__ = ["Stepping", "take_step"]


class Stepping(Measuring):
    """Trains on one batch, and measures.

    Attributes
    ----------
    seed : int
    accumulate : int
    check_finite : bool
    """

    seed: int
    accumulate: int
    check_finite: bool
    _choice: OptimizerChoice
    _generator: np.random.Generator
    _is_aligned = False

    def train_on_batch(
        self,
        x: Any,
        y: Any,
        *,
        lengths: Any = None,
        sample_weight: Any = None,
        mask: Any = None,
        class_weight: Any = None,
    ) -> dict[str, Any]:
        """Take one step on all rows together, and return the loss and the metrics of before it.

        For a loop of one's own: no callback is called, and `history` stays as it is. A model that is not built is
        built first. Of several ranks each gives the whole batch, of which it takes its rows, and gets the figures of
        all; the first step begins from rank 0's weights.

        Parameters
        ----------
        x, y, lengths, sample_weight, mask, class_weight : as for `fit`

        Returns
        -------
        dict
            As `evaluate` returns it.

        Raises
        ------
        ShapeError, DTypeError, DataError, ArgumentError, NonFiniteError
            As `fit` does; also where ``accumulate`` asks for several batches a step.
        """
        if self.accumulate != 1:
            raise ArgumentError(f"train_on_batch: expected accumulate=1, a step being one batch, got {self.accumulate}")
        model = self.model
        given = {"lengths": lengths, "sample_weight": sample_weight, "mask": mask}
        naming = Naming(self.goals, model, self.class_names)
        feed = whole_feed(model, x, y, names_of(self.goals), given, naming)
        with restored_on_error(model):
            build_for(model, feed.sample(), self.seed)
            require_precision(self.precision, model)
            goals, _ = weighted_for(model, self.goals, feed, class_weight, naming)
            require_adapted(model)
            optimizer = self._choice.of(model)
        naming.keep(model)
        parts = Parts(model, objective_for(goals), optimizer, model.parameters(), 1, self.check_finite)
        ranks = self._ranks
        with at_work(model, self.precision):
            if ranks is None:
                return take_step(parts, next(feed.epoch()))
            feed.share = ranks.share
            require_sharable(model, goals)
            with ranks.together():
                if not self._is_aligned:
                    align(ranks, model, optimizer, self._generator)
                    self._is_aligned = True
                return take_step(parts, next(feed.epoch()), ranks)


def take_step(parts: Parts, batch: Batch, ranks: Ranks | None = None) -> dict[str, Any]:
    """Take one step on a batch, and return its loss and metrics, of the weights before it.

    Parameters
    ----------
    parts : Parts
    batch : Batch
        With ``ranks`` this one's part of it.
    ranks : Ranks, optional
        That take the step together.

    Raises
    ------
    NonFiniteError
        With ``check_finite``.
    """
    model, objective = parts.model, parts.objective
    meter, guard = Meter(model.backend, objective.goals), None
    zero_grad, again = parts.zero_grad(), None
    zero_grad()
    draws: AbstractContextManager[None] = nullcontext()
    gradients = None
    if ranks is not None:
        draws = JointDraws(model).part(batch.rows, True, batch.part)
        gradients = Accumulation(1, objective.divides, Reduction(ranks, model))
        if isinstance(objective, JointObjective):
            batch = next(shared_out(model, objective, (batch,), 1, ranks))
    if parts.optimizer.needs_closure:
        again = Again(model, objective, zero_grad, gradients)
        again.keep()
    if parts.check_finite:
        guard = FiniteGuard(model, objective)
        guard.keep()
    with draws:
        value, values, prediction, lengths = compute(model, objective, batch, gradients)
    terms = objective.terms(prediction, batch, lengths)
    if guard is not None:
        factor = terms[0] if gradients is not None and gradients.weighs else None
        guard.check(1, parts.optimizer.steps + 1, value, batch, None, factor)
    meter.add(values, terms, prediction, batch, lengths)
    if gradients is not None:
        value = gradients.finish(parts.optimizer)
    meter.join(ranks)
    figures = meter.results()
    if again is None:
        parts.optimizer.step()
    else:
        parts.optimizer.step(again.closure(batch, value, parts.optimizer))  # type: ignore[call-arg]
    return figures
