"""What a model gives, and how good it is, over data already checked."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.proven import proofs
from lamina.data.shapes import Data
from lamina.losses.loss import Loss
from lamina.metrics.metric import Metric
from lamina.train.batches import Mean, batches
from lamina.train.interruption import Interruption

__all__ = ["evaluate", "predict", "results"]


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
    """Return the model's output for all rows on the host; a tuple where there are several."""
    to_numpy = model.backend.to_numpy
    several, parts = False, []
    for batch in batches(data, batch_size, model.backend):
        with proofs:
            batch.note_proven()
            outputs = model.infer(*batch.inputs, **batch.options)
        several = isinstance(outputs, tuple)
        parts.append([to_numpy(array) for array in (outputs if several else (outputs,))])
    joined = tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return joined if several else joined[0]


def results(mean: Mean, metrics: list[Metric], ended: bool = True) -> dict[str, float]:
    """Return the loss and the metrics of what was measured; so far, where it has not ``ended``."""
    figures = {metric.name: float(metric.result() if ended else metric.so_far()) for metric in metrics}
    return {"loss": mean.result()} | figures
