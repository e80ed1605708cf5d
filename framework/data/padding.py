"""Sequences of unequal length as one array and their lengths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lamina.core.arguments import whole
from lamina.core.host import as_host, refuse_masked
from lamina.core.shapes import Lengths
from lamina.errors import ArgumentError, DataError, DTypeError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

__all__ = ["pad"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


def pad(
    sequences: Iterable[ArrayLike], time: int | None = None, dtype: DTypeLike | None = None
) -> tuple[NumpyArray, Lengths]:
    """Return sequences of unequal length as one array, zero past each one's end, and their lengths.

    Parameters
    ----------
    sequences : iterable of (time_i, ...) array-likes
        Equal in all axes but the first. One without steps is legal, also written as ``[]``.
    time : int, optional
        The size of the time axis; that of the longest sequence if not given.
    dtype : dtype-like, optional
        The dtype that holds all of them if not given.

    Returns
    -------
    x : ndarray, shape (batch, time, ...)
    lengths : ndarray of int64, shape (batch,)

    Raises
    ------
    DataError
        If there is no sequence.
    ShapeError
        If one has another rank or other sizes than the first, or is longer than ``time``.
    DTypeError
        If one holds no numbers, or there is no such dtype.
    ArgumentError
        If ``sequences`` cannot be iterated over, or ``time`` is not a whole number of 0 or more.

    Examples
    --------
    >>> x, lengths = pad([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]])
    >>> x.shape, lengths.tolist(), x[0].tolist()
    ((2, 2, 2), [1, 2], [[1.0, 2.0], [0.0, 0.0]])
    """
    return pad_named(sequences, time, dtype, "pad")


def pad_named(
    sequences: Iterable[Any], time: int | None, dtype: DTypeLike | None, label: str
) -> tuple[NumpyArray, Lengths]:
    """Return what `pad` does, with a label of the caller's in front of its messages."""
    arrays = as_arrays(sequences, label)
    if not arrays:
        raise DataError(f"{label}: expected at least one sequence, got none")
    if time is not None:
        time = whole(label, "time", time, least=0)
    # ``[]`` has no rank to speak of: it is empty whatever the others are.
    counted = [array for array in arrays if array.shape != (0,)] or arrays[:1]
    rest = counted[0].shape[1:]
    for index, array in enumerate(arrays):
        if array.dtype.kind not in "fiub":
            raise DTypeError(f"{label}: expected numbers, got an array of {array.dtype} at index {index}")
        if array.ndim == 0:
            raise ShapeError(f"{label}: expected sequences with a time axis, got a single number at index {index}")
        if array.shape[1:] != rest and array.shape != (0,):
            wanted = f"({', '.join(['time', *map(str, rest)])}{'' if rest else ','})"
            raise ShapeError(f"{label}: expected sequences {wanted}, got {array.shape} at index {index}")
        if time is not None and len(array) > time:
            raise ShapeError(f"{label}: expected at most {time} steps, got {len(array)} at index {index}")
    lengths = np.array([len(array) for array in arrays], np.int64)
    try:
        found = np.result_type(*counted) if dtype is None else np.dtype(dtype)
    except TypeError as error:
        raise DTypeError(f"{label}: expected a dtype such as 'float32', got {dtype!r}") from error
    x = np.zeros((len(arrays), int(lengths.max()) if time is None else int(time), *rest), found)
    for row, array in zip(x, arrays, strict=True):
        if len(array):
            row[: len(array)] = array
    return x, lengths


def as_arrays(sequences: Any, label: str) -> list[NumpyArray]:
    """Return each item as an array of NumPy, whatever it holds.

    Raises
    ------
    ArgumentError
        If there are no items to iterate over.
    ShapeError, DTypeError, DataError
        If an item is no plain, rectangular array.
    """
    refuse_masked(label, sequences)
    if isinstance(sequences, (str, bytes, dict)) or not isinstance(sequences, Iterable):
        raise ArgumentError(f"{label}: expected a list of sequences, got {type(sequences).__name__}")
    arrays = []
    for index, item in enumerate(sequences):
        uneven = f"{label}: expected rectangular arrays, got an uneven one at index {index}"
        arrays.append(as_host(item, f"{label} at index {index}", uneven))
    return arrays
