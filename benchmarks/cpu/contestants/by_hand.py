"""What one would write down from the equations of a SimpleRNN, with the care of someone who knows NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import RATE, Training

__all__ = ["start", "training"]


def start(threads: int) -> None:
    """Do nothing: the environment says how many threads there are."""


def training(work: Training) -> Prepared:
    """Return a training step."""
    if work.kind != "SimpleRNN":
        raise NotImplementedError("only the SimpleRNN is written out")
    w = work.weights()
    x, y = work.data()
    rows = np.arange(work.batch)

    def results() -> dict[str, Any]:
        h = np.zeros((work.batch, work.units), np.float32)
        states = [h]
        for t in range(work.time):
            h = np.tanh(x[:, t] @ w["0.w_x"] + h @ w["0.w_h"] + w["0.b"])
            states.append(h)
        logits = h @ w["1.w"] + w["1.b"]
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[rows, y]).mean()
        p[rows, y] -= 1
        p /= work.batch
        gradients = {name: np.zeros_like(array) for name, array in w.items()}
        gradients["1.w"] = h.T @ p
        gradients["1.b"] = p.sum(axis=0)
        dh = p @ w["1.w"].T
        for t in range(work.time - 1, -1, -1):
            da = dh * (1 - states[t + 1] ** 2)
            gradients["0.w_x"] += x[:, t].T @ da
            gradients["0.w_h"] += states[t].T @ da
            gradients["0.b"] += da.sum(axis=0)
            dh = da @ w["0.w_h"].T
        return {"loss": loss, **gradients}

    def step() -> None:
        gradients = results()
        for name, array in w.items():
            array -= RATE * gradients[name]

    return Prepared(step, results)
