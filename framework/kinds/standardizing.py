"""What a standardizing layer measures: how it becomes numbers of the model's dtype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from lamina.core.initializers import Initializer, InitializerLike
from lamina.core.parameter import Parameter
from lamina.errors import ShapeError
from lamina.kinds.adapting import AdaptingLayer
from lamina.kinds.moments import Moments

__all__ = ["StandardizingLayer"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


class StandardizingLayer(AdaptingLayer):
    """The base class of a layer with parameters ``mean``, ``mean_rest``, ``deviation`` and ``steps``.

    What is measured before there are parameters is kept in float64 until they get their first values.
    """

    mean: Parameter
    mean_rest: Parameter
    deviation: Parameter
    steps: Parameter
    _measured: Moments | None = None

    @property
    def is_adapted(self) -> bool:
        """Whether the layer has measured any data, or was loaded so."""
        return self._measured is not None if not self.is_built else bool(self.steps.numpy() > 0)

    def require_features(self, features: int) -> None:
        """Raise `ShapeError` where the layer was adapted to another number of features."""
        if self._measured is not None and len(self._measured.mean) != features:
            raise ShapeError(f"{self.label}: adapted to {len(self._measured.mean)} features, got {features}")

    def take(self, moments: Moments) -> None:
        """Set the parameters, or keep what they are to be set to when the layer is built."""
        if not self.is_built:
            self._measured = moments
            return
        if self.mean.shape != moments.mean.shape:
            raise ShapeError(f"{self.label}: expected {self.mean.size} features, got {len(moments.mean)}")
        for name, value in _split(moments, self.dtype).items():
            getattr(self, name).data = value

    def initializers(self) -> dict[str, InitializerLike]:
        """Return the parameters' first values by name."""
        if self._measured is None:
            return {"mean": "zeros", "mean_rest": "zeros", "deviation": "ones", "steps": "zeros"}
        names = "mean", "mean_rest", "deviation", "steps"
        return {name: _Measured(self, self._measured, name) for name in names}


class _Measured(Initializer):
    """A parameter's first values, once it is known in which dtype."""

    def __init__(self, layer: StandardizingLayer, moments: Moments, name: str) -> None:
        self.layer, self.moments, self.name = layer, moments, name

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> NumpyArray:
        """Return them."""
        return _split(self.moments, self.layer.dtype)[self.name]


def _split(moments: Moments, dtype: str) -> dict[str, NumpyArray]:
    """Return the values of the parameters, as numbers of a dtype in float64."""
    mean, deviation = moments.mean, moments.deviation
    with np.errstate(over="ignore", under="ignore"):
        rounded = mean.astype(dtype).astype(np.float64)
        constant = (deviation <= np.finfo(dtype).eps * np.abs(mean)) | (deviation.astype(dtype) == 0)
    return {
        "mean": rounded,
        "mean_rest": np.where(np.isfinite(rounded), mean - rounded, 0.0),
        "deviation": np.where(constant, 1.0, deviation),
        "steps": np.asarray(float(moments.steps)),
    }
