"""A plain function as a metric, called once on all rows."""

from __future__ import annotations

import copy
import functools
import inspect
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.labels import as_label, valid_steps
from lamina.core.shapes import Lengths
from lamina.errors import ArgumentError, ShapeError
from lamina.metrics.metric import Metric

__all__ = ["FunctionMetric"]

NumpyArray = np.ndarray[Any, Any]

# Last words of names of which lower is better, as they are usual for functions.
_LOWER = {"mse", "mae", "rmse", "mape", "smape", "msle", "rmsle", "nll", "perplexity", "distance", "divergence", "cost"}
# While batches still come, the function is called again once it cannot take more than this share of the time.
_SHARE = 0.05


class FunctionMetric(Metric):
    """A plain function as a metric: its value for all rows, or steps, at once, however they come in batches.

    The function gets arrays of NumPy, so that one from any library will do; where the rows have lengths, the
    valid steps alone, as (steps, ...), and where a label is to be ignored, the others. All of them are kept on the
    host until `reset`, and each batch waits for the device: write a `Metric` where that matters. While training
    shows how far an epoch is, the figure may be that of a moment ago.

    Parameters
    ----------
    function : callable
        ``function(prediction, target) -> number``; one whose first argument is called ``y_true``, as those of
        scikit-learn are, gets the target first. Its name is the metric's. Lower is better where it is called a loss,
        an error, a distance or the like, or has an attribute ``higher_is_better = False``.
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count. `Trainer` takes over the loss's.

    Examples
    --------
    >>> def largest_error(prediction, target):
    ...     return abs(prediction - target).max()
    >>> FunctionMetric(largest_error).higher_is_better
    False
    >>> FunctionMetric(largest_error)([1.0, 2.0], [1.0, 4.0])
    2.0
    """

    def __init__(self, function: Callable[..., Any], ignore_index: int | None = None) -> None:
        self.function = function
        self.ignore_index = as_label(self, "ignore_index", ignore_index)
        plain = function
        while isinstance(plain, functools.partial):
            plain = plain.func
        self.name = getattr(plain, "__name__", type(plain).__name__)
        lower = self.name.endswith(("loss", "error", "deviance")) or self.name.lower().rpartition("_")[2] in _LOWER
        said = getattr(plain, "higher_is_better", not lower)
        self.higher_is_better = bool(getattr(function, "higher_is_better", said))
        self._target_first = _first_argument(function) == "y_true"
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._batches: list[tuple[NumpyArray, NumpyArray]] = []
        self._value = math.nan
        self._is_new = False  # whether a batch came since the function was called
        self._rest_until = 0.0

    def update(self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend) -> None:
        """Keep one batch.

        Raises
        ------
        ShapeError
            If prediction and target have not as many rows.
        """
        # Copies, as what is given may be written over.
        prediction, target = (np.array(backend.to_numpy(one)) for one in (prediction, target))
        if prediction.shape[:1] != target.shape[:1]:
            raise ShapeError(
                f"metric {self.name!r}: expected as many targets as predictions, got {target.shape[0]} and "
                f"{prediction.shape[0]}"
            )
        if lengths is not None:
            if target.shape[:2] != prediction.shape[:2]:
                steps = prediction.shape[:2]
                got = target.shape
                raise ShapeError(f"metric {self.name!r}: expected a target for each step of {steps}, got {got}")
            valid = valid_steps(lengths, prediction.shape[:2])
            prediction, target = prediction[valid], target[valid]
        if self.ignore_index is not None and target.dtype.kind in "iu" and target.ndim == prediction.ndim - 1:
            valid = target != self.ignore_index
            prediction, target = prediction[valid], target[valid]
        if len(prediction):
            self._batches.append((prediction, target))
            self._is_new = True

    def result(self) -> float:
        """Return the function's value for all rows; NaN where there are none.

        Raises
        ------
        ArgumentError
            If it returns no number.
        ShapeError
            If batches have other shapes than those before.
        """
        if self._is_new:
            self._batches = [self._joined()]
            began = time.perf_counter()
            pair = self._batches[0]
            value = self.function(*(pair[::-1] if self._target_first else pair))
            self._value = self._as_number(value)
            self._is_new = False
            ended = time.perf_counter()
            self._rest_until = ended + (ended - began) / _SHARE
        return self._value

    def so_far(self) -> float:
        """Return the latest value, or, where the function was not called for long enough, `result`."""
        return self.result() if time.perf_counter() >= self._rest_until else self._value

    def _joined(self) -> tuple[NumpyArray, NumpyArray]:
        """Return all batches as one; those that differ in time, as chunks of sequences may, step by step."""
        columns: list[list[NumpyArray]] = [list(column) for column in zip(*self._batches, strict=True)]
        if any(len({array.shape[1:] for array in column}) > 1 for column in columns):
            stepwise = all(p.ndim > 1 and p.shape[:2] == t.shape[:2] for p, t in self._batches)
            if stepwise:
                columns = [[array.reshape(-1, *array.shape[2:]) for array in column] for column in columns]
        for column in columns:
            if len({array.shape[1:] for array in column}) > 1:
                shapes = " and ".join(str(shape) for shape in sorted({array.shape[1:] for array in column})[:2])
                raise ShapeError(f"metric {self.name!r}: expected rows of one shape in all batches, got {shapes}")
        prediction, target = (column[0] if len(column) == 1 else np.concatenate(column) for column in columns)
        return prediction, target

    def _as_number(self, value: Any) -> float:
        try:
            if np.ndim(value) == 0:
                return float(value)
        except (TypeError, ValueError):
            pass
        got = type(value).__name__ + (f" of shape {np.shape(value)}" if isinstance(value, np.ndarray) else "")
        raise ArgumentError(f"metric {self.name!r}: expected a number, got {got}")

    def __deepcopy__(self, memo: dict[int, Any]) -> FunctionMetric:
        # The arrays are never written into, so copies may share them.
        alone = copy.copy(self)
        alone.function = copy.deepcopy(self.function, memo)
        alone._batches = list(self._batches)
        return alone


def _first_argument(function: Callable[..., Any]) -> str:
    try:
        return next(iter(inspect.signature(function).parameters), "")
    except (TypeError, ValueError):  # built in, without a signature
        return ""
