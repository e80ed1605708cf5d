"""What a caller passes as data, as arrays of numbers on the host; and in the dtype of a model, finite everywhere."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from lamina.core.host import as_host
from lamina.core.layer import Layer
from lamina.core.shapes import Lengths
from lamina.data.columns import as_numbers
from lamina.data.padding import as_arrays, pad_named
from lamina.errors import DataError, DTypeError

__all__ = ["converted", "read_array"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]

# How many elements are looked at together for NaN: so that the answer takes no array of the data's own size.
_CHUNK = 2**22


def read_array(name: str, value: Any, counted: bool = False) -> tuple[NumpyArray, Lengths | None]:
    """Return a value as an array, and each row's length where it was a list of sequences of unequal length.

    Parameters
    ----------
    name : str
        For the messages.
    value : array-like, or list of sequences
    counted : bool
        Whether the rows of a list have lengths also where all are alike, as targets do.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
    """
    lengths = None
    if type(value) is not np.ndarray:
        value = as_numbers(value, name)
    if isinstance(value, list):
        arrays = as_arrays(value, name)
        if len({item.shape for item in arrays}) > 1:
            array, lengths = pad_named(arrays, None, None, name)
        else:
            array = np.asarray(arrays) if arrays else np.zeros((0, 0))
            if array.ndim > 1:
                lengths = np.full(len(array), array.shape[1], np.int64) if counted else None
    else:
        array = as_host(value, name, f"{name}: expected a rectangular array or a list of sequences")
    if array.dtype.kind not in "fiub":
        hint = ": pass sequences of unequal length as a list" if array.dtype.kind == "O" and array.ndim else ""
        raise DTypeError(f"{name}: expected numbers, got an array of {array.dtype}{hint}")
    return array, lengths


def converted(
    model: Layer,
    name: str,
    array: NumpyArray,
    lengths: Lengths | None,
    keep_integers: bool,
    weights: NumpyArray | None = None,
) -> NumpyArray:
    """Return an array in the model's dtype, finite everywhere; integers stay where they are meant.

    What is neither NaN nor infinite stays as it is, padding included; NaN or infinity in padding, or where the weight
    is 0, becomes 0, as 0 times NaN would still be NaN in a gradient.

    Raises
    ------
    DataError
        If what counts is not finite.
    """
    if keep_integers and array.dtype.kind in "iu":
        return array
    with np.errstate(over="ignore"):
        result = array.astype(model.dtype, copy=False)
    step = max(1, _CHUNK // max(1, math.prod(result.shape[1:])))
    padded = False
    for start in range(0, len(result), step):
        wrong = ~np.isfinite(result[start : start + step])
        if not wrong.any():
            continue
        if lengths is not None:
            valid = np.arange(result.shape[1]) < lengths[start : start + step, None]
            wrong &= valid.reshape(valid.shape + (1,) * (wrong.ndim - 2))
        if weights is not None:
            counts = weights[start : start + step] != 0
            wrong &= counts.reshape(counts.shape + (1,) * (wrong.ndim - counts.ndim))
        if not wrong.any():
            padded = True
            continue
        row, *rest = (int(i) for i in np.argwhere(wrong)[0])
        place = ", ".join(f"{axis} {i}" for axis, i in zip(_axes(result.ndim), (start + row, *rest), strict=True))
        raise DataError(f"{name}: expected finite {model.dtype}, got {array[(start + row, *rest)]} at {place}")
    return np.where(np.isfinite(result), result, np.zeros((), result.dtype)) if padded else result


def _axes(rank: int) -> list[str]:
    if rank < 3:
        return ["row", "feature"][:rank]
    return ["row", "step", *(f"axis {axis}" for axis in range(2, rank - 1)), "feature"]
