"""Metrics of numbers: mean absolute and squared error, its root, R squared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.errors import DTypeError, ShapeError
from lamina.metrics.metric import Metric, Ratio, require_shape

__all__ = ["MeanAbsoluteError", "MeanSquaredError", "RSquared", "RootMeanSquaredError"]


class _OfNumbers(Metric):
    """The base class of metrics whose target has the prediction's shape."""

    def check_target(self, target: Any, shape: tuple[int, ...], lengths: Lengths | None = None) -> None:
        """Raise where targets are no numbers, or do not have the prediction's shape.

        Raises
        ------
        ShapeError, DTypeError
        """
        require_shape(self, tuple(target.shape), shape)
        if isinstance(target, np.ndarray) and target.dtype.kind not in "iufb":
            raise DTypeError(f"{type(self).__name__}: expected numbers as targets, got an array of {target.dtype}")
        if lengths is not None and len(shape) < 2:
            raise ShapeError(f"{type(self).__name__}: lengths need (batch, time, ...), got {shape}")


class _MeanError(_OfNumbers, Ratio):
    """A measure of the difference, averaged over features and over the rows, or steps, that count."""

    higher_is_better = False

    def measure(self, difference: Array, backend: Backend) -> Array:
        """Return what is averaged, of the difference's shape."""
        raise NotImplementedError

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
        ShapeError, DTypeError
            If the target has another shape, or holds no numbers.
        """
        shape, xp = tuple(prediction.shape), backend.xp
        self.check_target(target, shape, lengths)
        # In float64 from here on, so that neither a large target loses digits nor a square overflows.
        predicted, actual = (
            backend.zero_past(backend.astype(one, backend.dtype("float64")), lengths) for one in (prediction, target)
        )
        measured = self.measure(predicted - actual, backend)
        count = math.prod(shape) if lengths is None else int(lengths.sum()) * math.prod(shape[2:])
        self.add(backend, xp.sum(measured), count)


@register(aliases=("mae",))
class MeanAbsoluteError(_MeanError):
    """The absolute difference, averaged over features and over the rows, or steps, that count."""

    def measure(self, difference: Array, backend: Backend) -> Array:
        """Return |difference|."""
        return backend.xp.abs(difference)


@register(aliases=("mse",))
class MeanSquaredError(_MeanError):
    """The squared difference, averaged over features and over the rows, or steps, that count."""

    def measure(self, difference: Array, backend: Backend) -> Array:
        """Return difference^2."""
        return difference * difference


@register(aliases=("rmse",))
class RootMeanSquaredError(MeanSquaredError):
    """The square root of the mean squared difference over all batches, in the unit of the targets.

    Examples
    --------
    >>> RootMeanSquaredError()([[3.0], [5.0]], [[0.0], [1.0]])  # sqrt((9 + 16) / 2)
    3.5355339059327378
    """

    def result(self) -> float:
        """Return the root of the mean."""
        return math.sqrt(super().result())


@register(aliases=("r2", "r2_score"))
class RSquared(_OfNumbers):
    """The share of the targets' variance that is explained.

    The mean over features of

        1 - sum (target - prediction)^2 / sum (target - mean of targets)^2

    over the rows, or steps, that count, of all batches. 1 is perfect, 0 is what the mean alone would give, and below
    0 is worse. It is NaN where a feature of the targets does not vary. The sums are those of the targets' distances
    from the first that counts, merged batch by batch (Chan, Golub and LeVeque, 1983), in float64: targets far from 0
    cost no digits, and what does not vary spreads by exactly 0.

    Examples
    --------
    >>> RSquared()([[1.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]])
    0.5
    """

    name = "r_squared"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._count = 0
        self._first: Any = None  # (1, features), of the targets
        self._mean: Any = 0.0  # of the targets' distances from it
        self._spread: Any = 0.0  # the sum of (target - mean)^2 of each feature
        self._errors: Any = 0.0
        self._backend: Backend | None = None

    def update(self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend) -> None:
        """Count one batch; parameters and errors as for `MeanSquaredError`."""
        xp, shape = backend.xp, tuple(prediction.shape)
        self.check_target(target, shape, lengths)
        if not math.prod(shape):
            return
        leading = 1 if lengths is None else 2
        features = shape[-1] if len(shape) > leading else 1
        count = math.prod(shape) // features if lengths is None else int(lengths.sum()) * math.prod(shape[2:-1])
        if not count:
            return
        flat = (-1, features)
        predicted, actual = (
            backend.reshape(backend.zero_past(xp.astype(one, xp.float64), lengths), flat)
            for one in (prediction, target)
        )
        errors = xp.sum((actual - predicted) ** 2, axis=0)
        if self._first is None:
            row = 0 if lengths is None else int(np.argmax(lengths > 0)) * (math.prod(shape[1:]) // features)
            self._first = actual[row : row + 1, :] + 0.0  # a copy: the targets may be the caller's
        actual = actual - self._first
        if lengths is None:
            mean = xp.sum(actual, axis=0) / count
            deviation = actual - mean[None, :]
        else:
            valid = backend.valid_steps(lengths, shape[1])
            valid = xp.broadcast_to(backend.reshape(valid, (*valid.shape, *(1,) * (len(shape) - 2))), shape)
            valid, none = backend.reshape(valid, flat), xp.zeros_like(actual)
            mean = xp.sum(xp.where(valid, actual, none), axis=0) / count
            deviation = xp.where(valid, actual - mean[None, :], none)
        total, shift = self._count + count, mean - self._mean
        self._spread = self._spread + xp.sum(deviation**2, axis=0) + shift**2 * (self._count * count / total)
        self._mean = self._mean + shift * (count / total)
        self._errors = self._errors + errors
        self._count, self._backend = total, backend

    def result(self) -> float:
        """Return the mean over features."""
        if self._backend is None:
            return math.nan
        errors, spread = (self._backend.to_numpy(one) for one in (self._errors, self._spread))
        if (spread == 0).any():
            return math.nan
        return float(np.mean(1 - errors / spread))
