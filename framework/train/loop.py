"""The loops of training, evaluation and prediction, over data already checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.parameter import Parameter
from lamina.core.proven import proofs
from lamina.core.stretch import Stretch, neighbours
from lamina.core.version import __version__
from lamina.data.checks import named
from lamina.optimization.optimizer import Optimizer
from lamina.train.accumulation import Accumulation, JointDraws
from lamina.train.adaptation import adapt_layers
from lamina.train.attendance import attended
from lamina.train.batches import Batch
from lamina.train.callback import Callback, Training
from lamina.train.closure import Again
from lamina.train.evaluation import evaluate
from lamina.train.feed_choice import hold_arrays
from lamina.train.feeds import ArrayFeed, Feed, Order
from lamina.train.finite_guard import FiniteGuard
from lamina.train.history import numbers_of
from lamina.train.interruption import Interruption
from lamina.train.objective import JointObjective, Meter, Objective, shared_out
from lamina.train.planned import PlannedFeed
from lamina.train.planned_choice import hint
from lamina.train.progress import Progress
from lamina.train.truncation import Chunks

__all__ = ["Parts", "Plan", "Run"]

_TRAINABLE = attrgetter("trainable")


@dataclass(frozen=True)
class Parts:
    """What is trained, and with what.

    Attributes
    ----------
    model : Layer
    objective : Objective
    optimizer : Optimizer
    parameters : list of Parameter
        All of the model's.
    accumulate : int
        How many batches make a step.
    check_finite : bool
    """

    model: Layer
    objective: Objective
    optimizer: Optimizer
    parameters: list[Parameter]
    accumulate: int = 1
    check_finite: bool = False

    def zero_grad(self) -> Callable[[], None]:
        """Return what sets all gradients to 0, also of parameters that the optimizer is not over: they would grow."""
        if set(map(id, self.parameters)) <= set(map(id, self.optimizer.parameters)):
            return self.optimizer.zero_grad
        stretches = [Stretch(parameters) for parameters in neighbours(self.parameters)]

        def zero_grad() -> None:
            for stretch in stretches:
                stretch.zero_grad()

        return zero_grad


@dataclass(frozen=True)
class Plan:
    """Over which data, and in which steps.

    Attributes
    ----------
    feed, validation : Feed
        Checked; None without validation data.
    order : Order or None
        In which order the rows are taken; theirs without one.
    truncate : int or None
        How many steps of time each batch is cut into.
    facts : dict
        What is noted on the model beside what the run finds.
    planned : PlannedFeed or None
        How steps are taken that the backend has planned.
    """

    feed: Feed
    validation: Feed | None
    order: Order | None
    truncate: int | None
    facts: dict[str, Any]
    planned: PlannedFeed | None = None


class Run:
    """One run of `Trainer.fit`.

    Parameters
    ----------
    parts : Parts
    plan : Plan
    training : Training
        What callbacks see.
    callbacks : list of Callback
    progress : Progress
    interruption : Interruption
        Entered.

    Attributes
    ----------
    stopped : bool
        Set to end training after the current epoch.
    """

    def __init__(
        self,
        parts: Parts,
        plan: Plan,
        training: Training,
        callbacks: list[Callback],
        progress: Progress,
        interruption: Interruption,
    ) -> None:
        self.parts = parts
        self.plan = plan
        self.training = training
        self.callbacks = callbacks
        self.progress = progress
        self.interruption = interruption
        self.stopped = False
        self._steps_taken = 0
        self.steps = self._count_steps()
        self._told = [one.on_step_end for one in callbacks if _overrides(one, "on_step_end")]
        self._zero_grad = parts.zero_grad()
        self._guard = FiniteGuard(parts.model, parts.objective) if parts.check_finite else None
        self._draws = JointDraws(parts.model) if parts.accumulate > 1 and plan.truncate is None else None

    def train(self) -> None:
        """Adapt the layers that measure the data, where they are not; run the epochs, and the callbacks around them."""
        training, history, parts, validation = self.training, self.training.history, self.parts, self.plan.validation
        if not all(map(_TRAINABLE, parts.parameters)):  # what is measured is a parameter that is not
            adapt_layers(parts.model, self.plan.feed)
        self._keep_facts()
        if training.epochs > 1:
            hold_arrays(self.plan.feed, validation)
        with attended(self.callbacks, training, self.interruption):
            for epoch in range(1, training.epochs + 1):
                if self.stopped or self.interruption.requested:
                    break
                for callback in self.callbacks:
                    callback.on_epoch_begin(training, epoch)
                started = time.perf_counter()
                if self.plan.planned is not None:
                    values = self._planned_steps(epoch, self.plan.planned)
                else:
                    with closing(self.plan.feed.epoch(self.plan.order)) as taken:
                        values = self._steps(epoch, taken)
                rate = self._steps_taken / max(time.perf_counter() - started, 1e-9)
                if values is not None and validation is not None:
                    with named("validation data"), closing(validation.epoch()) as taken:
                        found = evaluate(parts.model, parts.objective, taken, self.interruption)
                    values = values | {f"val_{key}": value for key, value in found.items()} if found else None
                if values is None:
                    break  # cut short: its means would be over fewer rows
                self.progress.end_epoch(epoch, values, rate)
                seconds = time.perf_counter() - started
                if epoch == 1 and (told := hint(parts.model, seconds * (training.epochs - 1))):
                    training.note(told)
                values |= parts.optimizer.rates() | {"seconds": seconds}
                history.add(values)
                self._keep_facts()
                for callback in self.callbacks:
                    callback.on_epoch_end(training, epoch, numbers_of(values))
            history.interrupted = self.interruption.requested
            if history.interrupted:
                training.note(f"interrupted after {len(history)} of {training.epochs} epochs")

    def _steps(self, epoch: int, taken: Iterable[Batch]) -> dict[str, float] | None:
        """Take the epoch's steps; return its means, or None where it was cut short.

        What does not change from step to step is looked up before the loop, and the device is waited for only
        when the progress is due.
        """
        plan, interruption, progress, clock = self.plan, self.interruption, self.progress, time.perf_counter
        model, objective, optimizer = self.parts.model, self.parts.objective, self.parts.optimizer
        backend, told, zero_grad, guard = model.backend, self._told, self._zero_grad, self._guard
        meter, accumulate, goals = Meter(backend, objective.goals), self.parts.accumulate, objective.goals
        progress.begin_epoch(epoch, self.steps)
        due = clock() + progress.interval
        chunks = None
        forward = model.forward
        if plan.truncate is not None:
            taken = chunks = Chunks(model, taken, plan.truncate)
            forward = chunks.forward
        elif accumulate > 1 and isinstance(objective, JointObjective):
            taken = shared_out(model, objective, taken, accumulate)
        gradients, step, draws = Accumulation(accumulate, objective.divides), 0, self._draws
        again = Again(model, objective, zero_grad) if optimizer.needs_closure else None

        def update() -> None:
            value = gradients.finish(optimizer)
            if again is None:
                optimizer.step()
            else:
                optimizer.step(again.closure(batch, value))  # type: ignore[call-arg]
            for tell in told:
                tell(self.training, epoch, step, value)

        for batch in taken:
            if interruption.requested:
                return None
            begins = not gradients.count
            if begins:
                zero_grad()  # first, so that the gradients of a step that failed are gone
                step += 1
            with nullcontext() if draws is None else draws.part(batch.rows, begins):
                if guard is not None:
                    guard.keep(begins)
                if again is not None:
                    again.keep()
                with proofs:  # the data were proven before: see `checked_for`
                    batch.note_proven(goals)
                    prediction, saved = forward(*batch.inputs, **batch.options)
                    lengths = lengths_after(model, batch.options["lengths"]) if batch.options else None
                    value, values, loss_saved = objective.forward(backend, prediction, batch, lengths)
                terms = objective.terms(prediction, batch, lengths)
                gradient = gradients.weigh(objective.backward(loss_saved), value, terms[0])
                model.backward(gradient, saved, input_gradient=False)
                if guard is not None:
                    factor = terms[0] if objective.divides else 1.0
                    guard.check(epoch, step, value, batch, chunks, None if accumulate == 1 else factor)
            meter.add(values, terms, prediction, batch, lengths)
            if gradients.count == accumulate:
                update()
            if clock() >= due:
                progress.show(step, meter.results(ended=False))
                due = clock() + progress.interval
        if gradients.count:
            update()  # of the batches that were left
        return self._ended(step, meter)

    def _planned_steps(self, epoch: int, planned: PlannedFeed) -> dict[str, float] | None:
        """Take the epoch's steps as `_steps` does, each by the backend's plan."""
        interruption, progress, clock, told = self.interruption, self.progress, time.perf_counter, self._told
        meter, step = Meter(self.parts.model.backend, self.parts.objective.goals), 0
        progress.begin_epoch(epoch, self.steps)
        due = clock() + progress.interval
        for taken in planned.epoch(self.plan.order, epoch):
            meter.add(taken.values, taken.terms, taken.prediction, taken.batch, taken.lengths)
            if taken.ended is not None:
                step += 1
                for tell in told:
                    tell(self.training, epoch, step, taken.ended)
            if clock() >= due:
                progress.show(step, meter.results(ended=False))
                due = clock() + progress.interval
            if interruption.requested and step != self.steps:
                return None
        return self._ended(step, meter)

    def _ended(self, steps: int, meter: Meter) -> dict[str, float]:
        """Return the means of an epoch of so many steps, and show them."""
        self._steps_taken, figures = steps, meter.results()
        self.progress.show(steps, figures)
        return figures

    def _count_steps(self) -> int | None:
        """Return how many steps an epoch takes, where that is known beforehand."""
        feed, truncate = self.plan.feed, self.plan.truncate
        if feed.steps is None or (truncate is not None and not isinstance(feed, ArrayFeed)):
            return None
        steps = feed.steps
        if truncate is not None and isinstance(feed, ArrayFeed):
            steps *= -(-feed.data.inputs[0].shape[1] // truncate)
        return -(-steps // self.parts.accumulate)

    def _keep_facts(self) -> None:
        """Note on the model how it was trained: as JSON can hold it, and the same for the same run."""
        parts, history = self.parts, self.training.history
        parts.model.facts["training"] = {
            "epochs": len(history),
            **self.plan.facts,
            "optimizer": repr(parts.optimizer),
            "history": {key: value for key, value in history.last.items() if key != "seconds"},
            "lamina": __version__,
        }


def _overrides(callback: Callback, hook: str) -> bool:
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
