"""The loops of training, evaluation and prediction, over data already checked."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.accumulation import Accumulation
from lamina.batches import Batch, Mean, batches, count_batches
from lamina.callbacks import Callback
from lamina.data_shapes import Data
from lamina.finite import FiniteGuard
from lamina.interruption import Interruption
from lamina.layer import Layer
from lamina.loss import Loss
from lamina.metrics import Metric
from lamina.progress import Progress
from lamina.truncation import Chunks

if TYPE_CHECKING:
    from lamina.trainer import Trainer

__all__ = ["Run", "evaluate", "predict"]

# Rows in a batch of validation data: no gradient is kept, so there is room for more of them.
_VALIDATION_BATCH = 256


class Run:
    """One run of `Trainer.fit`.

    Parameters
    ----------
    trainer : Trainer
    data, validation : Data
        Checked; None without validation data.
    batch_size : int
    generator : numpy Generator or None
        Draws the order of the rows; theirs without one.
    progress : Progress
    interruption : Interruption
        Entered.
    truncate : int or None
        How many steps of time each batch is cut into.

    Attributes
    ----------
    stopped : bool
        Set to end training after the current epoch.
    """

    def __init__(
        self,
        trainer: Trainer,
        data: Data,
        validation: Data | None,
        batch_size: int,
        generator: np.random.Generator | None,
        progress: Progress,
        interruption: Interruption,
        truncate: int | None = None,
    ) -> None:
        self.trainer = trainer
        self.optimizer = trainer.optimizer
        self.data = data
        self.validation = validation
        self.batch_size = batch_size
        self.generator = generator
        self.progress = progress
        self.interruption = interruption
        self.truncate = truncate
        self.stopped = False
        self.steps = count_batches(data.rows, batch_size)
        if truncate is not None:
            self.steps *= -(-data.inputs[0].shape[1] // truncate)
        self.steps = -(-self.steps // trainer.accumulate)

    def train(self) -> None:
        """Run the epochs, and the callbacks around them."""
        trainer, history = self.trainer, self.trainer.history
        self._keep_facts()
        for callback in trainer.callbacks:
            callback.on_train_begin(trainer)
        for epoch in range(1, trainer.epochs + 1):
            if self.stopped or self.interruption.requested:
                break
            for callback in trainer.callbacks:
                callback.on_epoch_begin(trainer, epoch)
            values = self._epoch(epoch)
            if values is None:
                break
            history.add(values)
            self._keep_facts()
            for callback in trainer.callbacks:
                callback.on_epoch_end(trainer, epoch, dict(values))
        history.interrupted = self.interruption.requested
        if history.interrupted:
            trainer.note(f"interrupted after {len(history)} of {trainer.epochs} epochs")
        for callback in trainer.callbacks:
            callback.on_train_end(trainer)

    def _epoch(self, epoch: int) -> dict[str, float] | None:
        """Train and validate once; return the epoch's figures, or None where it was cut short."""
        trainer, started = self.trainer, time.perf_counter()
        values = self._steps(epoch)
        rate = self.steps / max(time.perf_counter() - started, 1e-9)
        if values is not None and self.validation is not None:
            found = evaluate(
                trainer.model, trainer.loss, trainer.metrics, self.validation, _VALIDATION_BATCH, self.interruption
            )
            values = values | {f"val_{key}": value for key, value in found.items()} if found else None
        if values is None:
            return None
        self.progress.end_epoch(epoch, values, rate)
        return values | {"learning_rate": float(self.optimizer.lr), "seconds": time.perf_counter() - started}

    def _steps(self, epoch: int) -> dict[str, float] | None:
        """Take the epoch's steps; return its means, or None where it was cut short.

        What does not change from step to step is looked up before the loop, and the device is waited for only
        when the progress is due.
        """
        trainer, interruption, progress, clock = self.trainer, self.interruption, self.progress, time.perf_counter
        model, loss, optimizer, metrics = trainer.model, trainer.loss, self.optimizer, trainer.metrics
        backend = model.backend
        told = [one.on_step_end for one in trainer.callbacks if _overrides(one, "on_step_end")]
        # An optimizer over some of the parameters would let the others' gradients grow.
        trained = {id(parameter) for parameter in optimizer.parameters}
        zero_grad = optimizer.zero_grad if all(id(one) in trained for one in model.parameters()) else model.zero_grad
        order = None if self.generator is None else self.generator.permutation(self.data.rows)
        mean = Mean(backend)
        for metric in metrics:
            metric.reset()
        progress.begin_epoch(epoch, self.steps)
        due = clock() + progress.interval
        chunks = None
        taken: Iterable[Batch] = batches(self.data, self.batch_size, backend, order)
        forward = model.forward
        if self.truncate is not None:
            taken = chunks = Chunks(model, taken, self.truncate)
            forward = chunks.forward
        guard = FiniteGuard(model, loss) if trainer.check_finite else None
        gradients, step = Accumulation(loss, trainer.accumulate), 0

        def update() -> None:
            value = gradients.finish(optimizer)
            optimizer.step()
            for tell in told:
                tell(trainer, epoch, step, value)

        for batch in taken:
            if interruption.requested:
                return None
            if gradients.empty:
                zero_grad()  # first, so that the gradients of a step that failed are gone
                step += 1
            if guard is not None:
                guard.keep()
            prediction, saved = forward(*batch.inputs, **batch.options)
            lengths = model.output_lengths(batch.options["lengths"]) if batch.options else None
            value, loss_saved = loss.forward(prediction, batch.target, lengths=lengths)
            gradient = gradients.weigh(loss.backward(loss_saved), value, prediction, batch.target, lengths)
            model.backward(gradient, saved, input_gradient=False)
            if guard is not None:
                guard.check(epoch, step, value, batch, None if chunks is None else chunks.before, chunks is not None)
            mean.add(value, batch.rows)
            for metric in metrics:
                metric.update(prediction, batch.target, lengths, backend)
            if gradients.full:
                update()
            if clock() >= due:
                progress.show(step, _results(mean, metrics))
                due = clock() + progress.interval
        if not gradients.empty:
            update()  # of the batches that were left
        values = _results(mean, metrics)
        progress.show(self.steps, values)
        return values

    def _keep_facts(self) -> None:
        """Note on the model how it was trained: as JSON can hold it, and the same for the same run."""
        from lamina import __version__

        trainer = self.trainer
        trainer.model.facts["training"] = {
            "epochs": len(trainer.history),
            "batch_size": self.batch_size,
            "seed": trainer.seed,
            "loss": repr(trainer.loss),
            "optimizer": repr(self.optimizer),
            "history": {key: value for key, value in trainer.history.last.items() if key != "seconds"},
            "lamina": __version__,
            **({} if self.truncate is None else {"truncate": self.truncate}),
            **({} if trainer.accumulate == 1 else {"accumulate": trainer.accumulate}),
        }


def evaluate(
    model: Layer,
    loss: Loss,
    metrics: list[Metric],
    data: Data,
    batch_size: int,
    interruption: Interruption | None = None,
) -> dict[str, float]:
    """Return the loss and the metrics, or an empty dict where Ctrl-C cut it short."""
    backend = model.backend
    metrics = copy.deepcopy(metrics)  # a callback may evaluate while an epoch is being counted
    mean = Mean(backend)
    for metric in metrics:
        metric.reset()
    for batch in batches(data, batch_size, backend):
        if interruption is not None and interruption.requested:
            return {}
        prediction = model.infer(*batch.inputs, **batch.options)
        lengths = model.output_lengths(batch.options["lengths"]) if batch.options else None
        mean.add(loss.forward(prediction, batch.target, lengths=lengths)[0], batch.rows)
        for metric in metrics:
            metric.update(prediction, batch.target, lengths, backend)
    return _results(mean, metrics)


def predict(model: Layer, data: Data, batch_size: int) -> Any:
    """Return the model's output for all rows on the host; a tuple where there are several."""
    to_numpy = model.backend.to_numpy
    several, parts = False, []
    for batch in batches(data, batch_size, model.backend):
        outputs = model.infer(*batch.inputs, **batch.options)
        several = isinstance(outputs, tuple)
        parts.append([to_numpy(array) for array in (outputs if several else (outputs,))])
    joined = tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return joined if several else joined[0]


def _results(mean: Mean, metrics: list[Metric]) -> dict[str, float]:
    return {"loss": mean.result()} | {metric.name: float(metric.result()) for metric in metrics}


def _overrides(callback: Callback, hook: str) -> bool:
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
