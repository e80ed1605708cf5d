"""What decoders take and give: scores read on the host, and a sequence with its score."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from lamina.core.host import as_host
from lamina.core.labels import valid_steps
from lamina.core.shapes import Lengths, as_lengths
from lamina.errors import ArgumentError, DataError, DTypeError, ShapeError

__all__ = ["Decoded", "decoded", "log_softmax", "read_names", "read_scores"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


class Decoded(NamedTuple):
    """A decoded sequence.

    Attributes
    ----------
    labels : ndarray of int64, shape (labels,)
    score : float
        The larger, the likelier: what of, the decoder says.
    names : list, or None
        What each label is called, where the decoder was given names.
    """

    labels: NumpyArray
    score: float
    names: list[Any] | None = None


def decoded(labels: Any, score: float, names: tuple[Any, ...] | None) -> Decoded:
    """Return labels, any whole numbers, as a decoded sequence, with their names where there are any."""
    array = np.asarray(labels, np.int64)
    return Decoded(array, float(score), None if names is None else [names[label] for label in array.tolist()])


def read_scores(owner: str, scores: Any, lengths: Any, classes: str = "classes") -> tuple[NumpyArray, Lengths]:
    """Return scores as (batch, time, classes) of float64, and each row's number of steps; past them scores are 0.

    Raises
    ------
    ShapeError
        If scores have other axes or no classes, or lengths do not fit.
    DTypeError
        If they are no numbers.
    DataError
        If one at a valid step is NaN or positive infinity.
    """
    array = as_host(scores, f"{owner}: scores")
    if array.ndim != 3 or not array.shape[2]:
        raise ShapeError(f"{owner}: expected scores (batch, time, {classes}), got {array.shape}")
    if array.dtype.kind not in "fiu":
        raise DTypeError(f"{owner}: expected numbers as scores, got an array of {array.dtype}")
    batch, time, _ = array.shape
    if lengths is None:
        lengths = np.full(batch, time)
    lengths = as_lengths(lengths, batch, time, f"{owner} lengths")
    valid = valid_steps(lengths, (batch, time))
    array = np.where(valid[..., None], array, 0).astype(np.float64)
    wrong = np.isnan(array) | (array == np.inf)
    if wrong.any():
        row, step, label = (int(i) for i in np.argwhere(wrong)[0])
        got = array[row, step, label]
        raise DataError(f"{owner}: expected scores below infinity, got {got} at row {row}, step {step}, class {label}")
    return array, lengths


def log_softmax(owner: str, scores: NumpyArray) -> NumpyArray:
    """Return log softmax(scores) over the last axis; logarithms of probabilities stay what they are.

    Raises
    ------
    DataError
        If all scores of a step are negative infinity.
    """
    largest = scores.max(axis=-1, keepdims=True)
    if not np.isfinite(largest).all():
        row, step = (int(i) for i in np.argwhere(~np.isfinite(largest))[0][:2])
        raise DataError(f"{owner}: expected a finite score at every step, got none at row {row}, step {step}")
    shifted = scores - largest
    result: NumpyArray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def read_names(owner: str, names: Any, classes: int) -> tuple[Any, ...] | None:
    """Return names, one for each class, or None where there are none.

    Raises
    ------
    ArgumentError
        If they are no sequence of so many.
    """
    if names is None:
        return None
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
        raise ArgumentError(f"{owner}: expected names to be one for each class, got {names!r}")
    found = tuple(names)
    if len(found) != classes:
        raise ArgumentError(f"{owner}: expected {classes} names, one for each class, got {len(found)}")
    return found
