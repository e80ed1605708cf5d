"""Standardization of features, measured on training rows and, after training, made part of the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.cli.npz import NumpyArray
from lamina.compose.bidirectional import Bidirectional
from lamina.errors import DataError

__all__ = ["Standardization", "require_range"]


@dataclass(frozen=True, eq=False)
class Standardization:
    """Each feature minus its mean, over its standard deviation.

    Attributes
    ----------
    mean, scale : ndarray of float64, (features,)
        A constant feature has scale 1.
    """

    mean: NumpyArray
    scale: NumpyArray

    @classmethod
    def measure(cls, x: NumpyArray, lengths: NumpyArray | None, dtype: str) -> Standardization:
        """Measure over the valid steps of all rows.

        Parameters
        ----------
        x : (batch, time, features)
        lengths : (batch,), optional
        dtype : str
            The model's: a feature that varies by less than it can tell apart counts as constant.

        Raises
        ------
        DataError
            If all rows are empty.
        """
        x = x.astype(np.float64, copy=False)
        steps = x.reshape(-1, x.shape[2]) if lengths is None else x[np.arange(x.shape[1]) < lengths[:, None]]
        if not len(steps):
            raise DataError("every row to train on is empty: all lengths are 0")
        mean, scale = steps.mean(axis=0), steps.std(axis=0)
        scale[scale <= np.finfo(dtype).eps * np.abs(mean)] = 1.0
        return cls(mean, scale)

    def apply(self, x: NumpyArray, lengths: NumpyArray | None) -> NumpyArray:
        """Return standardized features, 0 past each row's end."""
        y = (x - self.mean) / self.scale
        if lengths is not None:
            y[np.arange(x.shape[1]) >= lengths[:, None]] = 0
        return y

    def fold_into(self, layer: Any) -> None:
        """Change a layer that was trained on standardized features so that it does the same with raw ones.

        ((x - mean) / scale) w + b is x w' + b' with w' = w / scale and b' = b - mean w': a model file needs no
        preprocessing beside it, which a reader could forget.

        Parameters
        ----------
        layer : Layer
            One that reads its input as x w_x + b, as the recurrent layers do; or `Bidirectional`, with two of them.
        """
        readers: list[Any] = [layer.layer, layer.twin] if isinstance(layer, Bidirectional) else [layer]
        for reader in readers:
            w = reader.w_x.numpy().astype(np.float64) / self.scale[:, None]
            b = reader.b.numpy().astype(np.float64) - self.mean @ w
            reader.w_x.data, reader.b.data = w, b

    def facts(self) -> dict[str, list[float]]:
        """Return mean and scale as JSON can hold them."""
        return {"feature_mean": self.mean.tolist(), "feature_scale": self.scale.tolist()}


def require_range(x: NumpyArray, lengths: NumpyArray | None, dtype: str, label: str) -> None:
    """Raise `DataError` where a valid step holds a number that a model's dtype cannot.

    Parameters
    ----------
    x : (batch, time, features)
    lengths : (batch,), optional
    dtype : str
    label : str
        Whose numbers they are, for the message.
    """
    steps = x if lengths is None else x[np.arange(x.shape[1]) < lengths[:, None]]
    largest = np.abs(steps).max(initial=0)
    if largest > np.finfo(dtype).max:
        raise DataError(
            f"{label!r}: holds {largest:g}, too large for {dtype}: rescale the features, or use --dtype float64"
        )
