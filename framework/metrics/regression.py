"""Metrics of numbers: mean absolute, relative and squared error, its root, R squared."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.errors import DTypeError, ShapeError
from lamina.metrics.metric import Metric
from lamina.metrics.ratio import Ratio, require_shape
from lamina.metrics.weights import spread, within, without

__all__ = [
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "RSquared",
    "RootMeanSquaredError",
]

_EPSILON = float(np.finfo(np.float64).eps)


class _OfNumbers(Metric):
    """The base class of metrics whose target has the prediction's shape."""

    def check_target(
        self, target: Any, shape: tuple[int, ...], lengths: Lengths | None = None, sample_weight: Any = None
    ) -> None:
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

    def measure(self, difference: Array, actual: Array, backend: Backend) -> Array:
        """Return what is averaged, of the shape of the difference and of what is actual."""
        raise NotImplementedError

    def update(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None = None,
    ) -> None:
        """Count one batch.

        Parameters
        ----------
        prediction : (batch, features) or (batch, time, features)
        target : of the same shape
        lengths : (batch,) int64 or None
        backend : Backend
        sample_weight : (batch,) or (batch, time), or None
            How much each row, or step, counts; of weight 0 is what is as if it were not there.

        Raises
        ------
        ShapeError, DTypeError
            If the target has another shape, or holds no numbers.
        """
        shape, xp = tuple(prediction.shape), backend.xp
        self.check_target(target, shape, lengths)
        # In float64 from here on, so that neither a large target loses digits nor a square overflows.
        predicted, actual = (backend.astype(one, backend.dtype("float64")) for one in (prediction, target))
        if sample_weight is None:
            predicted, actual = backend.zero_past(predicted, lengths), backend.zero_past(actual, lengths)
            measured = self.measure(predicted - actual, actual, backend)
            count = math.prod(shape) if lengths is None else int(lengths.sum()) * math.prod(shape[2:])
            self.add(backend, xp.sum(measured), count)
            return
        weight = spread(type(self).__name__, sample_weight, shape, lengths, backend)
        predicted, actual = (without(one, weight > 0, backend) for one in (predicted, actual))
        measured = self.measure(predicted - actual, actual, backend)
        self.add(backend, xp.sum(measured * weight), xp.sum(weight))


@register(aliases=("mae",))
class MeanAbsoluteError(_MeanError):
    """The absolute difference, averaged over features and over the rows, or steps, that count."""

    def measure(self, difference: Array, actual: Array, backend: Backend) -> Array:
        """Return |difference|."""
        return backend.xp.abs(difference)


@register(aliases=("mse",))
class MeanSquaredError(_MeanError):
    """The squared difference, averaged over features and over the rows, or steps, that count."""

    def measure(self, difference: Array, actual: Array, backend: Backend) -> Array:
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


@register(aliases=("mape",))
class MeanAbsolutePercentageError(_MeanError):
    """The absolute difference as a share of the target, |prediction - target| / |target|, averaged.

    1 is an error of 100 %, as scikit-learn has it. A target nearer to 0 than float64's epsilon counts as that far
    away, which makes the figure huge: leave such targets out by a weight of 0.

    Examples
    --------
    >>> MeanAbsolutePercentageError()([[3.0], [5.0]], [[2.0], [4.0]])  # (1/2 + 1/4) / 2
    0.375
    """

    def measure(self, difference: Array, actual: Array, backend: Backend) -> Array:
        """Return |difference| / |actual|."""
        xp = backend.xp
        size = xp.abs(actual)
        return xp.abs(difference) / xp.where(size > _EPSILON, size, xp.full_like(size, _EPSILON))


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
        self._count: Any = 0  # of rows; with weights their sum, for each feature
        self._first: Any = None  # (1, features), of the targets
        self._is_started = False
        self._mean: Any = 0.0  # of the targets' distances from it
        self._spread: Any = 0.0  # the sum of (target - mean)^2 of each feature
        self._errors: Any = 0.0
        self._backend: Backend | None = None

    def update(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None = None,
    ) -> None:
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
        valid: Array | None = None
        amount: Any = 1.0  # how much each counts
        if sample_weight is not None:
            amount = spread(type(self).__name__, sample_weight, shape, lengths, backend)
            amount = backend.reshape(amount, flat)
            valid, count = amount > 0, xp.sum(amount, axis=0)
        elif lengths is not None:
            valid = backend.reshape(within(lengths, shape, backend), flat)
        predicted, actual = (backend.reshape(xp.astype(one, xp.float64), flat) for one in (prediction, target))
        if valid is not None:
            predicted, actual = without(predicted, valid, backend), without(actual, valid, backend)
        if not self._is_started:
            self._first = self._first_of(actual, valid, backend)
            self._is_started = sample_weight is None  # whose count is known to be above 0
        errors = xp.sum(amount * (actual - predicted) ** 2, axis=0)
        actual = actual - self._first
        if valid is not None:
            actual = without(actual, valid, backend)
        # Where nothing counts, of a feature or on a device, the sums are 0 and so is their mean.
        mean = xp.sum(amount * actual, axis=0) / _above_0(count, backend)
        deviation = actual - mean[None, :]
        if valid is not None:
            deviation = without(deviation, valid, backend)
        total, shift = self._count + count, mean - self._mean
        share = count / _above_0(total, backend)
        self._spread = self._spread + xp.sum(amount * deviation**2, axis=0) + shift**2 * (self._count * share)
        self._mean = self._mean + shift * share
        self._errors = self._errors + errors
        self._count, self._backend = total, backend

    def merge(self, other: Self) -> None:
        """Count what another of its kind has counted (Chan et al., 1979)."""
        backend = other._backend
        if backend is None:
            return
        if self._backend is None:
            kept = ("_count", "_first", "_is_started", "_mean", "_spread", "_errors", "_backend")
            vars(self).update({name: getattr(other, name) for name in kept})
            return
        total = self._count + other._count
        shift = other._mean + (other._first - self._first)[0] - self._mean
        share = other._count / _above_0(total, backend)
        self._spread = self._spread + other._spread + shift**2 * (self._count * share)
        self._mean = self._mean + shift * share
        self._errors, self._count = self._errors + other._errors, total
        self._is_started |= other._is_started

    def _first_of(self, actual: Array, valid: Array | None, backend: Backend) -> Array:
        """Return the first target that counts of each feature, that of an earlier batch where there is one.

        A device is not asked which that is: it is 0 for as long as nothing counts.
        """
        if valid is None:
            return actual[:1, :] + 0.0  # a copy: the targets may be the caller's
        place = backend.xp.argmax(backend.astype(valid, backend.dtype("int64")), axis=0)
        first = backend.xp.take_along_axis(actual, place[None, :], axis=0)
        return first if self._first is None else backend.xp.where(self._count > 0, self._first, first)

    def result(self) -> float:
        """Return the mean over features."""
        if self._backend is None:
            return math.nan
        errors, spread = (self._backend.to_numpy(one) for one in (self._errors, self._spread))
        if (spread == 0).any():
            return math.nan
        return float(np.mean(1 - errors / spread))


def _above_0(count: Any, backend: Backend) -> Any:
    """Return a count to divide by: 1 where it is 0."""
    if isinstance(count, (int, float)):
        return count or 1
    return backend.xp.where(count > 0, count, backend.xp.ones_like(count))
