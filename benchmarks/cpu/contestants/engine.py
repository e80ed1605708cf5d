"""Lamina's engine: steps planned by the backend ``"numba"``, each one compiled call."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina
from benchmarks.cpu.contestants import ours, trainer
from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import CLASSES, RATE, Characters, Inference, Loop, Vowels
from lamina.errors import BackendError
from lamina.optimizers import SGD

__all__ = [
    *("attending", "characters", "inference", "language", "loop", "ragged", "start", "training", "vowels"),
]


def start(threads: int) -> None:
    """Use the backend that plans steps; raises where it cannot run."""
    ours.start(threads, "numba")


def training(work: ours.Step) -> Prepared:
    """Return the compiled step, called with a batch as its users call it."""
    x, y, *ragged = work.data()
    lengths = ragged[0] if ragged else None
    model = ours.model_for(work)
    step = lamina.compile(model, "softmax_cross_entropy", SGD(model.parameters(), lr=RATE))

    def call() -> float:
        return step(x, y, lengths)

    def results() -> dict[str, Any]:
        try:
            value = call()
        except BackendError as reason:  # what it cannot plan it says, and does nothing
            raise NotImplementedError(str(reason)) from None
        return ours.results_of(work, model, value)

    return Prepared(call, results)


ragged = language = attending = training


def inference(work: Inference) -> Prepared:
    """Return a stream of the model: a step of it, or a whole sequence from the start."""
    x = work.data()
    layer = getattr(lamina.layers, work.kind)(work.units)
    model = ours.built([layer, lamina.layers.Dense(CLASSES)], (None, None, work.features), work.weights())
    stream, step = lamina.Stream(model), np.ascontiguousarray(x[:, 0])

    def whole() -> Any:
        stream.reset()
        return stream(x)

    if work.time > 1:
        return Prepared(whole, lambda: {"logits": whole()})

    def results() -> dict[str, Any]:
        fresh = lamina.Stream(model)
        return {f"logits {t}": fresh(x[:, t]) for t in range(x.shape[1])}

    return Prepared(lambda: stream(step), results)


def vowels(work: Vowels) -> Prepared:
    """Return what ``lamina train`` does on that backend."""
    return ours.vowels(work, compile=None)


def characters(work: Characters) -> Prepared:
    """Return what the example does on that backend."""
    return ours.characters(work, compile=None)


def loop(work: Loop) -> Prepared:
    """Return an epoch of `lamina.Trainer` without a metric."""
    return trainer.loop(work)
