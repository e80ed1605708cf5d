"""A plain function as a metric, called once on all rows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.calls import takes
from lamina.core.labels import as_label, valid_steps
from lamina.core.shapes import Lengths
from lamina.errors import ArgumentError, ShapeError
from lamina.metrics.kept import Kept
from lamina.metrics.weights import check_weight, takes_weight

__all__ = ["FunctionMetric"]

NumpyArray = np.ndarray[Any, Any]

# Last words of names of which lower is better, as they are usual for functions.
_LOWER = {"mse", "mae", "rmse", "mape", "smape", "msle", "rmsle", "nll", "perplexity", "distance", "divergence", "cost"}


class FunctionMetric(Kept):
    """A plain function as a metric: its value for all rows, or steps, at once, however they come in batches.

    The function gets arrays of NumPy, so that one from any library will do; where the rows have lengths, the
    valid steps alone, as (steps, ...), and where a label is to be ignored, or a weight is 0, the others. All of them
    are kept on the host until `reset`, and each batch waits for the device: write a `Metric` where that matters. While
    training shows how far an epoch is, the figure may be that of a moment ago.

    Parameters
    ----------
    function : callable
        ``function(prediction, target) -> number``; one whose first argument is called ``y_true``, as those of
        scikit-learn are, gets the target first. One that has an argument ``sample_weight`` is given the weights where
        there are some, as is a `Loss` in its mask; others take weights of 0 and 1 alone. Its name is the metric's.
        Lower is better where it is a `Loss`, or called a loss, an error, a distance or the like, or has an attribute
        ``higher_is_better = False``.
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
        name = self.name.lower()
        lower = name.endswith(("loss", "error", "deviance")) or name.rpartition("_")[2] in _LOWER
        said = getattr(plain, "higher_is_better", not lower)
        self.higher_is_better = bool(getattr(function, "higher_is_better", said))
        self._weight_name = "sample_weight" if takes_weight(function, anything=False) else ""
        forward = getattr(function, "forward", None)  # of a loss
        if forward is not None and takes(forward, "mask", anything=False):
            self._weight_name = "mask"
        self.takes_sample_weight = bool(self._weight_name)
        self._target_first = _first_argument(function) == "y_true"
        self.reset()

    def check_weight(self, sample_weight: Any, shape: tuple[int, ...], lengths: Lengths | None = None) -> None:
        """Raise where weights do not fit predictions of this shape, or the function takes none and they are no mask."""
        weight = check_weight(f"metric {self.name!r}", sample_weight, shape, lengths)
        within = valid_steps(lengths, weight.shape) if lengths is not None and weight.ndim == 2 else True
        if not self.takes_sample_weight and ((weight != 0) & (weight != 1) & within).any():
            raise ArgumentError(
                f"metric {self.name!r}: expected sample_weight of 0 and 1 alone, as the function has no argument "
                "of that name"
            )

    def update(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None = None,
    ) -> None:
        """Keep one batch.

        Raises
        ------
        ShapeError
            If prediction and target have not as many rows.
        ArgumentError
            If there are weights other than 0 and 1, and the function takes none.
        """
        # Copies, as what is given may be written over.
        prediction, target = (np.array(backend.to_numpy(one)) for one in (prediction, target))
        weight = None if sample_weight is None else np.array(backend.to_numpy(sample_weight))
        if prediction.shape[:1] != target.shape[:1]:
            raise ShapeError(
                f"metric {self.name!r}: expected as many targets as predictions, got {target.shape[0]} and "
                f"{prediction.shape[0]}"
            )
        if weight is not None:
            self.check_weight(weight, prediction.shape, lengths)
        if lengths is not None or (weight is not None and weight.ndim == 2):
            steps = prediction.shape[:2]
            if target.shape[:2] != steps:
                got = target.shape
                raise ShapeError(f"metric {self.name!r}: expected a target for each step of {steps}, got {got}")
            valid = np.ones(steps, bool) if lengths is None else valid_steps(lengths, steps)
            prediction, target = prediction[valid], target[valid]
            if weight is not None:
                weight = np.broadcast_to(weight if weight.ndim == 2 else weight[:, None], steps)[valid]
        if weight is not None and not weight.all():
            prediction, target, weight = prediction[weight > 0], target[weight > 0], weight[weight > 0]
        if self.ignore_index is not None and target.dtype.kind in "iu" and target.ndim == prediction.ndim - 1:
            valid = target != self.ignore_index
            if weight is not None:
                if valid.ndim > 1:
                    weight = np.broadcast_to(weight.reshape(weight.shape + (1,) * (valid.ndim - 1)), valid.shape)
                weight = weight[valid]
            prediction, target = prediction[valid], target[valid]
        if len(prediction):
            self.keep(prediction, target, weight)

    def result(self) -> float:
        """Return the function's value for all rows; NaN where there are none.

        Raises
        ------
        ArgumentError
            If it returns no number.
        ShapeError
            If batches have other shapes than those before.
        """
        return float(super().result())

    def compute(self) -> float:
        """Return what the function gives."""
        prediction, target, weight = self._joined()
        self._batches = [(prediction, target, weight)]
        pair = (target, prediction) if self._target_first else (prediction, target)
        options = {} if weight is None or not self._weight_name else {self._weight_name: weight}
        return self._as_number(self.function(*pair, **options))

    def _joined(self) -> tuple[NumpyArray, NumpyArray, NumpyArray | None]:
        """Return all batches as one; those that differ in time, as chunks of sequences may, step by step."""
        batches: list[Any] = self._batches
        if any(weight is not None for _, _, weight in batches):
            batches = [(p, t, np.ones(len(p)) if weight is None else weight) for p, t, weight in batches]
        columns: list[list[NumpyArray]] = [list(column) for column in zip(*batches, strict=True)]
        weights = columns.pop()
        if any(len({array.shape[1:] for array in column}) > 1 for column in columns):
            stepwise = all(p.ndim > 1 and p.shape[:2] == t.shape[:2] for p, t, _ in batches)
            if stepwise:
                if weights[0] is not None:
                    weights = [np.repeat(w, p.shape[1]) for w, (p, _, _) in zip(weights, batches, strict=True)]
                columns = [[array.reshape(-1, *array.shape[2:]) for array in column] for column in columns]
        for column in columns:
            if len({array.shape[1:] for array in column}) > 1:
                shapes = " and ".join(str(shape) for shape in sorted({array.shape[1:] for array in column})[:2])
                raise ShapeError(f"metric {self.name!r}: expected rows of one shape in all batches, got {shapes}")
        prediction, target = (column[0] if len(column) == 1 else np.concatenate(column) for column in columns)
        return prediction, target, None if weights[0] is None else np.concatenate(weights)

    def _as_number(self, value: Any) -> float:
        try:
            if np.ndim(value) == 0:
                return float(value)
        except (TypeError, ValueError):
            pass
        got = type(value).__name__ + (f" of shape {np.shape(value)}" if isinstance(value, np.ndarray) else "")
        raise ArgumentError(f"metric {self.name!r}: expected a number, got {got}")


def _first_argument(function: Callable[..., Any]) -> str:
    try:
        return next(iter(inspect.signature(function).parameters), "")
    except (TypeError, ValueError):  # built in, without a signature
        return ""
