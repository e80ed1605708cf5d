"""The training runs that are timed: an LSTM over sequences, by kernels of NumPy, so many rows a global batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import lamina
from lamina.distributed import Communicator
from lamina.layers import LSTM, Dense

__all__ = ["SHAPES", "fitting", "gradient_bytes"]

# (batch, time, features, units)
SHAPES = {
    "small": (32, 28, 28, 64),
    "medium": (64, 100, 64, 128),
    "large": (128, 50, 256, 512),
}
_CLASSES, _STEPS = 10, 4


def _model(name: str) -> lamina.Sequential:
    _, _, features, units = SHAPES[name]
    model = lamina.Sequential(LSTM(units), Dense(_CLASSES))
    model.build((None, None, features), seed=0)
    return model


def gradient_bytes(name: str) -> int:
    """Return how many bytes the gradients of a shape's model take."""
    return sum(one.size for one in _model(name).parameters()) * 4


def fitting(
    name: str, communicator: Communicator | None = None, rows: int | None = None
) -> tuple[Callable[[], object], int]:
    """Return a fit of one epoch, and how many steps it has.

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
    x = rng.standard_normal((rows * _STEPS, steps, features)).astype("float32")
    y = rng.integers(0, _CLASSES, len(x))
    trainer = lamina.Trainer(_model(name), optimizer="sgd", communicator=communicator, compile=False)

    def fit() -> object:
        return trainer.fit(x, y, epochs=1, batch_size=rows, verbose=False)

    return fit, _STEPS
