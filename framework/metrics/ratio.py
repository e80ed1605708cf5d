"""Metrics that are a sum over a count."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from lamina.backends import Array, Backend
from lamina.errors import ShapeError
from lamina.metrics.metric import Metric
from lamina.metrics.weights import add_up

__all__ = ["Ratio", "require_shape"]


class Ratio(Metric):
    """A sum over a count, both kept where they are made."""

    sums: ClassVar[tuple[str, ...]] = ("_sum", "_count")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._sum: Any = 0
        self._count: Any = 0
        self._backend: Backend | None = None

    def add(self, backend: Backend, total: Array, count: Any) -> None:
        """Count one batch; ``count``, of rows or the sum of their weights, is a number, or a 0-d array."""
        self._sum, self._count = add_up(backend, self._sum, total), add_up(backend, self._count, count)
        self._backend = backend

    def result(self) -> float:
        """Return the sum over the count."""
        if self._backend is None:
            return math.nan
        count = self._backend.item(self._count)
        return self._backend.item(self._sum) / count if count else math.nan


def require_shape(metric: Metric, target: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Raise `ShapeError` where a target has another shape."""
    if tuple(target) != tuple(shape):
        raise ShapeError(f"{type(metric).__name__}: expected targets of shape {tuple(shape)}, got {tuple(target)}")
