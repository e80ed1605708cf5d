"""The metric: a figure that a person reads off a training run, gathered over many batches."""

from __future__ import annotations

import copy
import math
import re
from typing import Any, ClassVar

import numpy as np

from lamina.backends import Array, Backend, backend_of
from lamina.core.arguments import whole
from lamina.core.config import Configured
from lamina.core.registry import Registry
from lamina.core.shapes import Lengths, as_lengths
from lamina.errors import ShapeError

__all__ = ["Metric", "Ratio", "label_or_none", "read_labels", "require_shape"]


class Metric(Configured):
    """A figure gathered batch by batch.

    One of your own defines three methods and is known by name once registered::

        reset(self)                                          forget all batches
        update(self, prediction, target, lengths, backend)   count one batch
        result(self) -> float                                of all batches so far; called at any time

    Between batches it keeps counts alone, as arrays where they are made: only ``result`` waits for a device.

    Attributes
    ----------
    name : str
        What it is called in a history; made from the class's name if not set.
    higher_is_better : bool
    gives_array : bool
        Whether the result is an array, which a `Trainer`, whose history holds numbers, does not take.

    Examples
    --------
    >>> import lamina
    >>> lamina.metrics.Accuracy()([[2.0, 0.0], [0.0, 1.0]], [0, 0])  # of one batch, by itself
    0.5
    """

    registry: ClassVar[Registry[Metric]] = Registry("metric")
    name: str = ""
    higher_is_better: bool = True
    gives_array: ClassVar[bool] = False

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

    def result(self) -> Any:
        """Return the figure for all batches since `reset`; NaN where nothing was counted."""
        raise NotImplementedError(f"{type(self).__name__} does not define result")

    def __call__(self, prediction: Any, target: Any, lengths: Any = None) -> Any:
        """Return the result for one batch by itself; what was gathered so far stays as it is.

        Parameters
        ----------
        prediction, target : array-like
        lengths : (batch,) integers, optional
        """
        prediction, target = (value if hasattr(value, "shape") else np.asarray(value) for value in (prediction, target))
        backend, alone = backend_of(prediction), copy.deepcopy(self)
        if lengths is not None:
            lengths = as_lengths(lengths, prediction.shape[0], prediction.shape[1], type(self).__name__)
        alone.reset()
        alone.update(prediction, backend.asarray(target), lengths, backend)
        return alone.result()


class Ratio(Metric):
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


def require_shape(metric: Metric, target: Array, shape: tuple[int, ...]) -> None:
    """Raise `ShapeError` where a target has another shape."""
    if tuple(target.shape) != tuple(shape):
        raise ShapeError(f"{type(metric).__name__}: expected targets of shape {shape}, got {tuple(target.shape)}")


def label_or_none(metric: Metric, value: Any) -> int | None:
    """Return a metric's ``ignore_index``, a whole number or None, or raise `ArgumentError`."""
    return None if value is None else whole(metric, "ignore_index", value, least=None)


def read_labels(
    metric: Metric,
    prediction: Array,
    target: Array,
    lengths: Lengths | None,
    backend: Backend,
    ignore_index: int | None,
) -> tuple[Array, Array, Array]:
    """Return a batch's logits and labels, each step a row, and which rows count.

    Parameters
    ----------
    metric : Metric
        Named in the error.
    prediction : (batch, classes) or (batch, time, classes)
    target : integers (batch,) or (batch, time), or probabilities of the prediction's shape
    lengths : (batch,) int64 or None
    backend : Backend
    ignore_index : int or None

    Returns
    -------
    logits : (rows, classes)
    labels : (rows,) int64
    counted : (rows,) bool
        Logits and labels are 0 where it is False.

    Raises
    ------
    ShapeError
        If the target has neither shape.
    """
    xp, steps = backend.xp, tuple(prediction.shape[:-1])
    labelled = target.ndim != prediction.ndim
    require_shape(metric, target, steps if labelled else tuple(prediction.shape))
    rows = math.prod(steps)
    labels = backend.reshape(backend.astype(target if labelled else xp.argmax(target, axis=-1), xp.int64), (rows,))
    if lengths is None:
        counted = backend.zeros((rows,), labels.dtype) == 0
    else:
        counted = backend.reshape(backend.valid_steps(lengths, steps[1]), (rows,))
    if ignore_index is not None and labelled:
        counted = counted & (labels != ignore_index)
    logits = backend.reshape(prediction, (rows, prediction.shape[-1]))
    logits = xp.where(counted[:, None], logits, backend.zeros((), logits.dtype))
    return logits, xp.where(counted, labels, backend.zeros((), labels.dtype)), counted
