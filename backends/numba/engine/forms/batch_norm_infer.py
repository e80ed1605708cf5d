"""BatchNorm outside training: by its running statistics, which are read at every run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.layer_norm import affine
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, uint
from lamina.backends.numba.engine.room import Task

__all__ = ["BatchNormInferForm"]

#: ``factor`` (features,) is what the distance from the mean is multiplied by.
_FURTHER = "scale shift mean variance factor"
_norm_at = record_at(fields(f"{MAP} {_FURTHER}"))


class BatchNormInferForm(MapForm):
    """Forward alone."""

    further = _FURTHER

    def numbers(self) -> Sequence[float]:
        """Return epsilon."""
        return (self.call.options["epsilon"],)

    def settings(self) -> dict[str, int]:
        """Return the weights and the statistics."""
        weights, room, features = self.call.weights, self.room, self.call.inputs[0].features
        return {
            "scale": affine(room, weights.get("scale"), features, 1),
            "shift": affine(room, weights.get("shift"), features, 0),
            "mean": room.weights(weights["running_mean"]),
            "variance": room.weights(weights["running_variance"]),
            "factor": room.floats(features),
        }

    def backward(self) -> list[Task]:
        """Raise: outside training there is no gradient."""
        raise NotImplementedError("batch_norm_infer has no gradient")


@compiled
def _normalize(rows: Any, n: Any, mean: Any, factor: Any, scale: Any, shift: Any, x: Any, y: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(n):
            y[uint(k * n + j)] = (x[uint(k * n + j)] - mean[j]) * factor[j] * scale[j] + shift[j]


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _norm_at(address)
    rows, n, epsilon = rows_of(p), p.features, array_at(p.numbers, 1, np.float64)[0]
    variance, factor = array_at(p.variance, n, dtype), array_at(p.factor, n, dtype)
    for j in range(n):
        factor[j] = dtype(1 / math.sqrt(variance[j] + epsilon))
    _normalize(
        rows, n, array_at(p.mean, n, dtype), factor, array_at(p.scale, n, dtype), array_at(p.shift, n, dtype),
        array_at(p.x, rows * n, dtype), array_at(p.y, rows * n, dtype),
    )  # fmt: skip


def forward_float32(address: Any) -> None:
    """Write the output."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Write the output."""
    _forward(address, np.float64)
