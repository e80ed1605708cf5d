"""What a model gives, and how good it is, over data already checked."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.proven import proofs
from lamina.data.shapes import Data
from lamina.losses.loss import Loss
from lamina.metrics.metric import Metric
from lamina.train.batches import Mean, batches
from lamina.train.interruption import Interruption

__all__ = ["evaluate", "predict", "results"]

# Of a device's free memory what outputs may take that stay there until all of them go to the host at once.
_SHARE = 0.125


def evaluate(
    model: Layer,
    loss: Loss,
    metrics: list[Metric],
    data: Data,
    batch_size: int,
    interruption: Interruption | None = None,
    held: tuple[Array, ...] | None = None,
) -> dict[str, float]:
    """Return the loss and the metrics, or an empty dict where Ctrl-C cut it short; of ``held``, see `batches`."""
    backend = model.backend
    metrics = copy.deepcopy(metrics)  # a callback may evaluate while an epoch is being counted
    mean = Mean(backend)
    for metric in metrics:
        metric.reset()
    for batch in batches(data, batch_size, backend, None, held):
        if interruption is not None and interruption.requested:
            return {}
        with proofs:
            batch.note_proven(loss)
            prediction = model.infer(*batch.inputs, **batch.options)
            lengths = lengths_after(model, batch.options.get("lengths"))
            value, _ = loss.forward_on(backend, prediction, batch.target, lengths=lengths)
            mean.add(value, loss.terms(prediction, batch.counted, lengths))
        for metric in metrics:
            metric.update(prediction, batch.target, lengths, backend)
    return results(mean, metrics)


def predict(model: Layer, data: Data, batch_size: int) -> Any:
    """Return the model's output for all rows on the host; a tuple where there are several.

    A device is waited for once, or whenever the outputs take a share of its free memory: they stay there until then.
    """
    backend, parts = model.backend, _Parts(model.backend)
    several = False
    for batch in batches(data, batch_size, backend):
        with proofs:
            batch.note_proven()
            outputs = model.infer(*batch.inputs, **batch.options)
        several = isinstance(outputs, tuple)
        parts.add(outputs if several else (outputs,))
    joined = parts.joined()
    return joined if several else joined[0]


class _Parts:
    """The outputs of some batches, on their way to the host."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._room = _SHARE * backend.free_memory()
        self._size = 0.0
        self._there: list[tuple[Array, ...]] = []
        self._here: list[list[Any]] = []

    def add(self, outputs: tuple[Array, ...]) -> None:
        """Take one batch's outputs."""
        self._there.append(outputs)
        if self._room:
            self._size += sum(array.size * array.dtype.itemsize for array in outputs)
        if self._size >= self._room:
            self._bring()

    def joined(self) -> tuple[Any, ...]:
        """Return each output of all batches, on the host."""
        if self._there:
            self._bring()
        return tuple(np.concatenate(arrays) for arrays in zip(*self._here, strict=True))

    def _bring(self) -> None:
        backend, there = self._backend, self._there
        self._there, self._size = [], 0.0
        whole = there[0] if len(there) == 1 else [backend.concatenate(one, 0) for one in zip(*there, strict=True)]
        self._here.append([backend.to_numpy(array) for array in whole])


def results(mean: Mean, metrics: list[Metric], ended: bool = True) -> dict[str, float]:
    """Return the loss and the metrics of what was measured; so far, where it has not ``ended``."""
    figures = {metric.name: float(metric.result() if ended else metric.so_far()) for metric in metrics}
    return {"loss": mean.result()} | figures
