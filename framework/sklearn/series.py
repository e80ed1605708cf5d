"""What scikit-learn's users give as X, y and weights, read as a trainer takes them."""

from __future__ import annotations

from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from lamina.errors import DataError, DTypeError, ShapeError
from lamina.kinds.moments import Moments

__all__ = ["Series", "count_steps", "read_series", "read_weights", "weighted_moments"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]
#: (batch, time, features), or a list of (time_i, features).
Series: TypeAlias = "NumpyArray | list[NumpyArray]"

_FLOATS = [np.float64, np.float32]


def read_series(estimator: Any, X: Any, *, reset: bool) -> Series:
    """Return X as a trainer takes it, and see that it has the features that the estimator was fitted to.

    Parameters
    ----------
    estimator : BaseEstimator
        With ``reset`` its ``n_features_in_`` becomes that of X: the number of columns of a table, otherwise the
        features of a step.
    X : (batch, time) or (batch, time, features) array-like, or list of (time_i, features) or (time_i,) arrays
    reset : bool
        Whether this is the first that the estimator sees.

    Raises
    ------
    ValueError, TypeError
        As scikit-learn's own checks, or Lamina's, which derive from these.
    """
    name = type(estimator).__name__
    if not _is_list(X):
        if (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) < 3:
            return _read_table(estimator, X, reset)
        x = check_array(X, dtype=_FLOATS, allow_nd=True, input_name="X", estimator=estimator)
        if x.ndim != 3:
            raise ShapeError(f"{name}: expected X of (batch, time) or (batch, time, features), got {x.shape}")
        _see_features(estimator, x.shape[2], reset)
        return np.asarray(x)
    rows = [_read_row(estimator, index, row) for index, row in enumerate(X)]
    if not rows:
        raise DataError(f"{name}: expected at least one sequence in X, got none")
    features = next((row.shape[1] for row in rows if len(row)), None)
    if features is None:
        raise DataError(f"{name}: every sequence in X is empty")
    for index, row in enumerate(rows):
        if len(row) and row.shape[1] != features:
            wanted = f"{features} features in each sequence, as in the first"
            raise ShapeError(f"{name}: expected {wanted}, got {row.shape[1]} at index {index}")
    _see_features(estimator, features, reset)
    return [row if len(row) else np.zeros((0, features)) for row in rows]


def _is_list(X: Any) -> bool:
    """Tell whether X is of arrays, one a sequence: in a list, or in an array or a column of objects."""
    if isinstance(X, (list, tuple)):
        return any(isinstance(row, np.ndarray) and row.ndim for row in X) or _is_uneven(X)
    is_column = getattr(X, "ndim", 0) == 1 and getattr(getattr(X, "dtype", None), "kind", "") == "O"
    return is_column and any(isinstance(row, (np.ndarray, list)) for row in X)


def _is_uneven(X: Any) -> bool:
    try:
        np.shape(X)
    except ValueError:
        return True
    return False


def _read_table(estimator: Any, X: Any, reset: bool) -> NumpyArray:
    """Return a batch of series of one feature, (batch, time, 1)."""
    known = getattr(estimator, "n_features_in_", None)
    if not reset and not estimator._saw_table:
        x = check_array(X, dtype=_FLOATS, input_name="X", estimator=estimator)
        if known != 1:
            raise ShapeError(
                f"{type(estimator).__name__}: expected sequences of {known} features, got X of {x.shape}, which is a "
                "batch of series of one"
            )
    else:
        x = validate_data(estimator, X, dtype=_FLOATS, reset=reset)
        estimator._saw_table = True
    return np.asarray(x)[..., None]


def _see_features(estimator: Any, features: int, reset: bool) -> None:
    """Note how many features a step has, or raise where there are others than known."""
    if reset:
        estimator.n_features_in_, estimator._saw_table = features, False
        vars(estimator).pop("feature_names_in_", None)
        return
    known = 1 if estimator._saw_table else estimator.n_features_in_
    if features != known:
        name = type(estimator).__name__
        raise ShapeError(f"{name}: X has {features} features a step, but {name} is expecting {known} features as input")


def _read_row(estimator: Any, index: int, row: Any) -> NumpyArray:
    name = type(estimator).__name__
    array = np.asarray(row)
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"{name}: expected numbers in X, got an array of {array.dtype} at index {index}")
    if array.ndim not in (1, 2):
        raise ShapeError(f"{name}: expected sequences (time, features) or (time,) in X, got {array.shape} at {index}")
    return array[:, None] if array.ndim == 1 else array


def read_weights(estimator: Any, sample_weight: Any, rows: int, per_step: bool = False) -> NumpyArray | None:
    """Return weights, (batch,), or with ``per_step`` (batch, time) too, as float64.

    Raises
    ------
    ValueError
        If they are none for these rows, or none is above 0.
    """
    if sample_weight is None:
        return None
    name = type(estimator).__name__
    if isinstance(sample_weight, Real):
        sample_weight = np.full(rows, float(sample_weight))
    weights = np.asarray(
        check_array(sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight", estimator=estimator)
    )
    if not per_step and weights.ndim != 1:
        raise ShapeError(f"{name}: Sample weights must be 1D array or scalar, got {weights.shape}")
    if len(weights) != rows:
        raise ShapeError(f"{name}: sample_weight.shape == {weights.shape}, expected {(rows,)}!")
    if (weights < 0).any():
        raise DataError(f"{name}: Negative values in data passed to `sample_weight`, got {weights.min()}")
    if not weights.any():
        raise DataError(f"{name}: sample_weight: every weight is zero")
    return weights


def count_steps(x: Series) -> NumpyArray:
    """Return how many steps each sequence has."""
    if isinstance(x, list):
        return np.array([len(row) for row in x])
    return np.full(len(x), x.shape[1])


def weighted_moments(x: Series, weights: NumpyArray) -> Moments:
    """Return mean and deviation of each feature over all steps, each counted as often as its row's weight says."""
    rows = np.concatenate(x) if isinstance(x, list) else x.reshape(-1, x.shape[2])
    moments = Moments(rows.shape[1])
    counts = None if weights.ndim > 1 else np.repeat(weights, count_steps(x))
    moments.add(rows, counts)
    return moments
