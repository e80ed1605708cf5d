"""The training runs that are timed: an LSTM over sequences, by kernels of NumPy, so many rows a global batch."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

import lamina
from lamina.backends import Array
from lamina.callbacks import Callback
from lamina.distributed import Communicator
from lamina.layers import LSTM, Dense
from lamina.train.callback import Training

__all__ = ["SHAPES", "fitting", "gradient_bytes"]

# (batch, time, features, units)
SHAPES = {
    "small": (32, 28, 28, 64),
    "medium": (64, 100, 64, 128),
    "large": (128, 50, 256, 512),
}
_CLASSES = 10
# Steps of a fit: what it does before the first of them is no part of a step.
_STEPS = {"small": 200, "medium": 40, "large": 6}


class Clock(Callback):
    """Notes when each step ended."""

    def __init__(self) -> None:
        self._ends: list[float] = []

    def on_step_end(self, trainer: Training, epoch: int, step: int, loss: Array) -> None:
        """Note it."""
        self._ends.append(time.perf_counter())

    def take(self) -> list[float]:
        """Return the seconds of each step but the first, and forget them."""
        ends, self._ends = self._ends, []
        return [after - before for before, after in pairwise(ends)]


def _model(name: str) -> lamina.Sequential:
    _, _, features, units = SHAPES[name]
    model = lamina.Sequential(LSTM(units), Dense(_CLASSES))
    model.build((None, None, features), seed=0)
    return model


def gradient_bytes(name: str) -> int:
    """Return how many bytes the gradients of a shape's model take."""
    return sum(one.size for one in _model(name).parameters()) * 4


def fitting(name: str, communicator: Communicator | None = None, rows: int | None = None) -> Callable[[], list[float]]:
    """Return a fit of one epoch, which gives the seconds of each of its steps but the first.

    Parameters
    ----------
    name : str
    communicator : Communicator, optional
    rows : int, optional
        Of a batch: the shape's if not given.
    """
    batch, steps, features, _ = SHAPES[name]
    rows = batch if rows is None else rows
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows * _STEPS[name], steps, features)).astype("float32")
    y = rng.integers(0, _CLASSES, len(x))
    clock = Clock()
    trainer = lamina.Trainer(_model(name), optimizer="sgd", callbacks=clock, communicator=communicator, compile=False)

    def fit() -> list[float]:
        trainer.fit(x, y, epochs=1, batch_size=rows, verbose=False)
        return clock.take()

    return fit
