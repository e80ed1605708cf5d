"""Metrics: figures that a person reads off a training run, gathered over many batches.

>>> import numpy as np
>>> import lamina
>>> accuracy = Accuracy()
>>> accuracy.update(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 0]), None, lamina.get_backend("numpy"))
>>> accuracy.result()
0.5
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeAlias

import numpy as np

from lamina.backends import Array, Backend
from lamina.configured import Configured
from lamina.errors import ArgumentError, ShapeError
from lamina.registry import Registry, register
from lamina.shapes import Lengths

__all__ = ["Accuracy", "FunctionMetric", "MeanAbsoluteError", "Metric", "find_metrics"]

# A name, a metric, or a plain function of prediction and target.
MetricLike: TypeAlias = "str | Metric | Callable[..., Any]"

_RESERVED = ("epoch", "loss", "learning_rate", "seconds")


class Metric(Configured):
    """A figure gathered batch by batch.

    One of your own defines three methods and is known by name once registered::

        reset(self)                                          forget all batches
        update(self, prediction, target, lengths, backend)   count one batch
        result(self) -> float                                of all batches so far; called at any time

    Between batches it keeps counts alone, as 0-d arrays where they are made: only ``result`` waits for a
    device.

    Attributes
    ----------
    name : str
        What it is called in a history; made from the class's name if not set.
    higher_is_better : bool
    """

    registry: ClassVar[Registry[Metric]] = Registry("metric")
    name: str = ""
    higher_is_better: bool = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" not in vars(cls):
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__} does not define reset")

    def update(self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend) -> None:
        """Count one batch.

        Parameters
        ----------
        prediction : (batch, ...) array
            Not to be written into; nor is the target.
        target : array of the same backend
        lengths : (batch,) int64 on the host, or None
            Steps of (batch, time, ...) past a row's end do not count.
        backend : Backend
        """
        raise NotImplementedError(f"{type(self).__name__} does not define update")

    def result(self) -> float:
        """Return the figure for all batches since `reset`; NaN where nothing was counted."""
        raise NotImplementedError(f"{type(self).__name__} does not define result")


class _Ratio(Metric):
    """A sum over a count, both kept where they are made."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._sum: Any = 0
        self._count: Any = 0
        self._backend: Backend | None = None

    def add(self, backend: Backend, total: Array, count: Any) -> None:
        """Count one batch; ``count`` is a number, or a 0-d array."""
        self._sum = self._sum + total
        self._count = self._count + count
        self._backend = backend

    def result(self) -> float:
        """Return the sum over the count."""
        if self._backend is None:
            return math.nan
        count = self._backend.item(self._count)
        return self._backend.item(self._sum) / count if count else math.nan


@register
class Accuracy(_Ratio):
    """The share of rows, or of steps, whose largest logit is the label's.

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count. `Trainer` takes over the loss's where the metric
        is given by name.

    Examples
    --------
    >>> Accuracy(ignore_index=-1).name
    'accuracy'
    """

    def __init__(self, ignore_index: int | None = None) -> None:
        self.ignore_index = ignore_index
        super().__init__()

    def update(self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend) -> None:
        """Count one batch.

        Parameters
        ----------
        prediction : (batch, classes) or (batch, time, classes)
        target : integers (batch,) or (batch, time), or probabilities of the prediction's shape
        lengths : (batch,) int64 or None
        backend : Backend

        Raises
        ------
        ShapeError
            If the target has neither shape.
        """
        xp, labelled = backend.xp, target.ndim != prediction.ndim
        _require_shape(self, target, prediction.shape[:-1] if labelled else prediction.shape)
        hit = xp.argmax(prediction, axis=-1) == (target if labelled else xp.argmax(target, axis=-1))
        counted = None
        if self.ignore_index is not None and labelled:
            counted = target != self.ignore_index
        if lengths is not None:
            valid = backend.valid_steps(lengths, hit.shape[1])
            counted = valid if counted is None else counted & valid
        whole = backend.dtype("int64")
        if counted is None:
            self.add(backend, xp.sum(backend.astype(hit, whole)), math.prod(hit.shape))
        else:
            self.add(backend, xp.sum(backend.astype(hit & counted, whole)), xp.sum(backend.astype(counted, whole)))


@register
class MeanAbsoluteError(_Ratio):
    """The absolute difference, averaged over features and over the rows, or steps, that count."""

    higher_is_better = False

    def update(self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend) -> None:
        """Count one batch.

        Parameters
        ----------
        prediction : (batch, features) or (batch, time, features)
        target : of the same shape
        lengths : (batch,) int64 or None
        backend : Backend

        Raises
        ------
        ShapeError
            If the target has another shape.
        """
        _require_shape(self, target, prediction.shape)
        xp = backend.xp
        difference = xp.abs(prediction - backend.astype(target, prediction.dtype))
        difference = backend.zero_past(difference, lengths)
        shape = prediction.shape
        count = math.prod(shape) if lengths is None else int(lengths.sum()) * math.prod(shape[2:])
        self.add(backend, xp.sum(difference, dtype=backend.dtype("float64")), count)


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
        if metric.name in found or metric.name in _RESERVED or metric.name.startswith("val_"):
            raise ArgumentError(f"metrics: the name {metric.name!r} is taken: give one of them another .name")
        found[metric.name] = metric
    return list(found.values())


def _require_shape(metric: Metric, target: Array, shape: tuple[int, ...]) -> None:
    if tuple(target.shape) != tuple(shape):
        raise ShapeError(f"{type(metric).__name__}: expected targets of shape {shape}, got {tuple(target.shape)}")
