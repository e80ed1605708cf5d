"""Which metrics there are to be: named, made, or plain functions."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.shapes import Lengths
from lamina.errors import ArgumentError
from lamina.metrics.metric import Metric

__all__ = ["FunctionMetric", "MetricLike", "find_metrics"]

# A name, a metric, or a plain function of prediction and target.
MetricLike: TypeAlias = "str | Metric | Callable[..., Any]"

_RESERVED = ("epoch", "loss", "learning_rate", "seconds")


class FunctionMetric(Metric):
    """A plain function as a metric: its value for each batch, averaged over the rows, or steps, given to it.

    The function gets arrays of NumPy, so that one from any library will do; where the rows have lengths, the
    valid steps alone, as (steps, ...). It waits for the device at every batch: write a `Metric` where that
    matters.

    Parameters
    ----------
    function : callable
        ``function(prediction, target) -> number``. Its name is the metric's. Lower is better where it is
        called a loss or an error, or has an attribute ``higher_is_better = False``.

    Examples
    --------
    >>> def largest_error(prediction, target):
    ...     return abs(prediction - target).max()
    >>> FunctionMetric(largest_error).higher_is_better
    False
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        lower = self.name.endswith(("loss", "error", "deviance"))
        self.higher_is_better = bool(getattr(function, "higher_is_better", not lower))
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._sum = 0.0
        self._count = 0

    def update(self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend) -> None:
        """Call the function on one batch.

        Raises
        ------
        ArgumentError
            If it returns no number.
        """
        prediction, target = backend.to_numpy(prediction), backend.to_numpy(target)
        if lengths is not None:
            valid = np.arange(prediction.shape[1]) < lengths[:, None]
            prediction, target = prediction[valid], target[valid]
        if not len(prediction):
            return
        value = self.function(prediction, target)
        try:
            self._sum += float(value) * len(prediction)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"metric {self.name!r}: expected a number, got {type(value).__name__}") from error
        self._count += len(prediction)

    def result(self) -> float:
        """Return the mean of the function's values."""
        return self._sum / self._count if self._count else math.nan


def find_metrics(metrics: MetricLike | Iterable[MetricLike], ignore_index: int | None = None) -> list[Metric]:
    """Return metrics for names, metrics and plain functions.

    Parameters
    ----------
    metrics : one of them, or several
    ignore_index : int, optional
        Handed to metrics made from a name, where they take it.

    Raises
    ------
    UnknownNameError
        If a name is not registered.
    ArgumentError
        If something is none of these, or two have the same name.
    """
    if isinstance(metrics, (str, Metric)) or callable(metrics):
        metrics = (metrics,)
    if not isinstance(metrics, Iterable):
        raise ArgumentError(f"metrics: expected names, metrics or functions, got {metrics!r}")
    found: dict[str, Metric] = {}
    for given in metrics:
        if isinstance(given, str):
            cls: Callable[..., Metric] = Metric.registry.find(given)
            takes = ignore_index is not None and "ignore_index" in inspect.signature(cls).parameters
            metric = cls(ignore_index=ignore_index) if takes else cls()
        elif isinstance(given, Metric):
            metric = given
        elif callable(given) and not isinstance(given, type):
            metric = FunctionMetric(given)
        else:
            hint = f": write {given.__name__}()" if isinstance(given, type) else ""
            raise ArgumentError(f"metrics: expected a name, a Metric or a function, got {given!r}{hint}")
        if metric.gives_array:
            raise ArgumentError(
                f"metrics: {metric.name!r} gives an array, no figure for a history: call it on what predict gives"
            )
        if metric.name in found or metric.name in _RESERVED or metric.name.startswith("val_"):
            raise ArgumentError(f"metrics: the name {metric.name!r} is taken: give one of them another .name")
        found[metric.name] = metric
    return list(found.values())
