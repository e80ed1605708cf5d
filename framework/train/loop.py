"""The loops of training, evaluation and prediction, over data already checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.parameter import Parameter
from lamina.core.proven import proofs
from lamina.core.stretch import Stretch, neighbours
from lamina.core.version import __version__
from lamina.data.shapes import Data
from lamina.losses.loss import Loss
from lamina.metrics.metric import Metric
from lamina.optimization.optimizer import Optimizer
from lamina.train.accumulation import Accumulation, JointDraws
from lamina.train.adaptation import adapt_layers
from lamina.train.attendance import attended
from lamina.train.batches import Batch, Mean, batches, count_batches, hold
from lamina.train.callback import Callback, Training
from lamina.train.evaluation import evaluate, results
from lamina.train.finite_guard import FiniteGuard
from lamina.train.interruption import Interruption
from lamina.train.progress import Progress
from lamina.train.truncation import Chunks

__all__ = ["Parts", "Plan", "Run"]

_TRAINABLE = attrgetter("trainable")
# Rows in a batch of validation data: no gradient is kept, so there is room for more of them.
_VALIDATION_BATCH = 256


@dataclass(frozen=True)
class Parts:
    """What is trained, and with what.

    Attributes
    ----------
    model : Layer
    loss : Loss
    optimizer : Optimizer
    metrics : list of Metric
    parameters : list of Parameter
        All of the model's.
    accumulate : int
        How many batches make a step.
    check_finite : bool
    """

    model: Layer
    loss: Loss
    optimizer: Optimizer
    metrics: list[Metric]
    parameters: list[Parameter]
    accumulate: int = 1
    check_finite: bool = False

    def zero_grad(self) -> Callable[[], None]:
        """Return what sets all gradients to 0, also of parameters that the optimizer is not over: they would grow."""
        trained = {id(parameter) for parameter in self.optimizer.parameters}
        if all(id(parameter) in trained for parameter in self.parameters):
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
    data, validation : Data
        Checked; None without validation data.
    batch_size : int
    generator : numpy Generator or None
        Draws the order of the rows; theirs without one.
    truncate : int or None
        How many steps of time each batch is cut into.
    seed, precision : int, str
        Of the trainer, for the model's facts.
    """

    data: Data
    validation: Data | None
    batch_size: int
    generator: np.random.Generator | None
    truncate: int | None
    seed: int
    precision: str = "fp32"


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
        self.steps = count_batches(plan.data.rows, plan.batch_size)
        if plan.truncate is not None:
            self.steps *= -(-plan.data.inputs[0].shape[1] // plan.truncate)
        self.steps = -(-self.steps // parts.accumulate)
        self._told = [one.on_step_end for one in callbacks if _overrides(one, "on_step_end")]
        self._zero_grad = parts.zero_grad()
        self._loss = repr(parts.loss)
        self._held: tuple[Array, ...] | None = None  # the data where they stay on a device, and those of validation
        self._held_validation: tuple[Array, ...] | None = None
        self._guard = FiniteGuard(parts.model, parts.loss) if parts.check_finite else None
        self._draws = JointDraws(parts.model) if parts.accumulate > 1 and plan.truncate is None else None

    def train(self) -> None:
        """Adapt the layers that measure the data, where they are not; run the epochs, and the callbacks around them."""
        training, history, parts, validation = self.training, self.training.history, self.parts, self.plan.validation
        if not all(map(_TRAINABLE, parts.parameters)):  # what is measured is a parameter that is not
            adapt_layers(parts.model, self.plan.data)
        self._keep_facts()
        if training.epochs > 1:
            self._held, self._held_validation = hold(parts.model.backend, (self.plan.data, validation))
        with attended(self.callbacks, training, self.interruption):
            for epoch in range(1, training.epochs + 1):
                if self.stopped or self.interruption.requested:
                    break
                for callback in self.callbacks:
                    callback.on_epoch_begin(training, epoch)
                started = time.perf_counter()
                values = self._steps(epoch)
                rate = self.steps / max(time.perf_counter() - started, 1e-9)
                if values is not None and validation is not None:
                    measured = parts.model, parts.loss, parts.metrics
                    found = evaluate(*measured, validation, _VALIDATION_BATCH, self.interruption, self._held_validation)
                    values = values | {f"val_{key}": value for key, value in found.items()} if found else None
                if values is None:
                    break  # cut short: its means would be over fewer rows
                self.progress.end_epoch(epoch, values, rate)
                seconds = time.perf_counter() - started
                values |= {"learning_rate": float(parts.optimizer.lr), "seconds": seconds}
                history.add(values)
                self._keep_facts()
                for callback in self.callbacks:
                    callback.on_epoch_end(training, epoch, dict(values))
            history.interrupted = self.interruption.requested
            if history.interrupted:
                training.note(f"interrupted after {len(history)} of {training.epochs} epochs")

    def _steps(self, epoch: int) -> dict[str, float] | None:
        """Take the epoch's steps; return its means, or None where it was cut short.

        What does not change from step to step is looked up before the loop, and the device is waited for only
        when the progress is due.
        """
        plan, interruption, progress, clock = self.plan, self.interruption, self.progress, time.perf_counter
        model, loss, optimizer, metrics = self.parts.model, self.parts.loss, self.parts.optimizer, self.parts.metrics
        backend, told, zero_grad, guard = model.backend, self._told, self._zero_grad, self._guard
        order = None if plan.generator is None else plan.generator.permutation(plan.data.rows)
        mean = Mean(backend)
        for metric in metrics:
            metric.reset()
        progress.begin_epoch(epoch, self.steps)
        due = clock() + progress.interval
        chunks = None
        taken: Iterable[Batch] = batches(plan.data, plan.batch_size, backend, order, self._held)
        forward = model.forward
        if plan.truncate is not None:
            taken = chunks = Chunks(model, taken, plan.truncate)
            forward = chunks.forward
        gradients, step = Accumulation(self.parts.accumulate), 0
        draws, alone = self._draws, nullcontext()

        def update() -> None:
            value = gradients.finish(optimizer)
            optimizer.step()
            for tell in told:
                tell(self.training, epoch, step, value)

        for batch in taken:
            if interruption.requested:
                return None
            begins = gradients.empty
            if begins:
                zero_grad()  # first, so that the gradients of a step that failed are gone
                step += 1
            with alone if draws is None else draws.part(batch.rows, begins):
                if guard is not None:
                    guard.keep(begins)
                with proofs:  # the data were proven before training: see `checked_for`
                    batch.note_proven(loss)
                    prediction, saved = forward(*batch.inputs, **batch.options)
                    lengths = lengths_after(model, batch.options.get("lengths"))
                    value, loss_saved = loss.forward_on(backend, prediction, batch.target, lengths=lengths)
                terms = loss.terms(prediction, batch.counted, lengths)
                gradient = gradients.weigh(loss.backward(loss_saved), value, terms)
                model.backward(gradient, saved, input_gradient=False)
                if guard is not None:
                    guard.check(epoch, step, value, batch, chunks, None if self.parts.accumulate == 1 else terms)
            mean.add(value, terms)
            for metric in metrics:
                metric.update(prediction, batch.target, lengths, backend)
            if gradients.full:
                update()
            if clock() >= due:
                progress.show(step, results(mean, metrics, ended=False))
                due = clock() + progress.interval
        if not gradients.empty:
            update()  # of the batches that were left
        values = results(mean, metrics)
        progress.show(self.steps, values)
        return values

    def _keep_facts(self) -> None:
        """Note on the model how it was trained: as JSON can hold it, and the same for the same run."""
        parts, history = self.parts, self.training.history
        parts.model.facts["training"] = {
            "epochs": len(history),
            "batch_size": self.plan.batch_size,
            "seed": self.plan.seed,
            "loss": self._loss,
            "optimizer": repr(parts.optimizer),
            "history": {key: value for key, value in history.last.items() if key != "seconds"},
            "lamina": __version__,
            **({} if self.plan.truncate is None else {"truncate": self.plan.truncate}),
            **({} if parts.accumulate == 1 else {"accumulate": parts.accumulate}),
            **({} if self.plan.precision == "fp32" else {"precision": self.plan.precision}),
        }


def _overrides(callback: Callback, hook: str) -> bool:
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
