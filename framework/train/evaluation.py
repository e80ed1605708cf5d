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
) -> dict[str, Any]:
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

    On a device the outputs stay until they take a share of its free memory, and at last: only then it is waited for.
    """
    backend = model.backend
    room, size = _SHARE * backend.free_memory(), 0
    several, there, parts = False, [], []
    for batch in batches(data, batch_size, backend):
        with proofs:
            batch.note_proven()
            outputs = model.infer(*batch.inputs, **batch.options)
        several = isinstance(outputs, tuple)
        each = outputs if several else (outputs,)
        if not room:
            parts.append([backend.to_numpy(array) for array in each])
            continue
        there.append(each)
        size += sum([array.nbytes for array in each])
        if size >= room:
            parts.append(_brought(backend, there))
            there, size = [], 0
    if there:
        parts.append(_brought(backend, there))
    joined = tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return joined if several else joined[0]


def _brought(backend: Backend, batches: list[tuple[Array, ...]]) -> list[Any]:
    """Return each output of some batches as one array on the host."""
    return [backend.to_numpy(backend.concatenate(arrays, 0)) for arrays in zip(*batches, strict=True)]


def results(mean: Mean, metrics: list[Metric], ended: bool = True) -> dict[str, Any]:
    """Return the loss and the metrics of what was measured; so far, and without arrays, where it has not ``ended``."""
    figures: dict[str, Any] = {"loss": mean.result()}
    for metric in metrics:
        if ended or not metric.gives_array:
            value = metric.result() if ended else metric.so_far()
            figures[metric.name] = np.asarray(value) if metric.gives_array else float(value)
    return figures
