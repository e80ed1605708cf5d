"""What a model gives, and how good it is, over data already checked."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.proven import proofs
from lamina.train.batches import Batch
from lamina.train.interruption import Interruption
from lamina.train.meter import Meter
from lamina.train.objective import Objective
from lamina.train.ranks import Ranks

__all__ = ["evaluate", "predict"]

# Of a device's free memory what outputs may take that stay there until all of them go to the host at once.
_SHARE = 0.125


def evaluate(
    model: Layer,
    objective: Objective,
    taken: Iterable[Batch],
    interruption: Interruption | None = None,
    ranks: Ranks | None = None,
) -> dict[str, Any]:
    """Return the figures of some batches, or of those of all ranks; an empty dict where Ctrl-C cut it short."""
    backend = model.backend
    # Metrics of its own: a callback may evaluate while an epoch is being counted.
    goals = tuple(goal._replace(metrics=copy.deepcopy(goal.metrics)) for goal in objective.goals)
    meter = Meter(backend, goals)
    for batch in taken:
        if interruption is not None and interruption.requested:
            return {}
        with proofs:
            batch.note_proven(goals)
            prediction = model.infer(*batch.inputs, **batch.options)
            lengths = lengths_after(model, batch.options["lengths"]) if batch.options else None
            _, values, _ = objective.forward(backend, prediction, batch, lengths)
            terms = objective.terms(prediction, batch, lengths)
        meter.add(values, terms, prediction, batch, lengths)
    meter.join(ranks)
    return meter.results()


def predict(model: Layer, taken: Iterable[Batch]) -> Any:
    """Return the model's output for all batches on the host; a tuple where there are several.

    On a device the outputs stay until they take a share of its free memory, and at last: only then it is waited for.
    """
    backend = model.backend
    room, size = _SHARE * backend.free_memory(), 0
    several, there, parts = False, [], []
    for batch in taken:
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
