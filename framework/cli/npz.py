"""Sequences read from a .npz file: checked, or refused with one line that says what to change."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lamina.core.shapes import as_lengths
from lamina.errors import DataError, DTypeError, ShapeError, unknown

__all__ = ["NumpyArray", "check_labels", "check_lengths", "check_sequences", "read_arrays"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


def read_arrays(path: Path, known: Collection[str]) -> dict[str, NumpyArray]:
    """Return the arrays of a .npz file by name; nothing in it is ever unpickled.

    Parameters
    ----------
    path : Path
    known : collection of str
        The names that mean something here: any other would be left out unseen, so it is refused.

    Raises
    ------
    DataError
        If there is no such file, or it is not a .npz file of plain arrays.
    UnknownNameError
        If an array has another name; the message gives the nearest match.
    """
    name = ""
    arrays: dict[str, NumpyArray] = {}
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("write one with numpy.savez(path, x=x, y=y)")
            file.seek(0)
            with np.load(file, allow_pickle=False) as stored:
                for name in stored.files:
                    arrays[name] = stored[name]
                    if not isinstance(arrays[name], np.ndarray):  # NumPy hands on what is no array as bytes
                        raise ValueError(f"{name!r} is no array")
    except FileNotFoundError as error:
        raise DataError(f"{str(path)!r}: there is no such file") from error
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error):
            hint = "save numbers or strings, and pad rows of unequal length with lamina.pad"
            raise DataError(f"{str(path)!r}: array {name!r} holds Python objects: {hint}") from error
        raise DataError(f"{str(path)!r}: no readable .npz file ({error})") from error
    for name in arrays:
        if name not in known:
            raise unknown(f"array in {str(path)!r}:", name, known)
    return arrays


def check_sequences(x: NumpyArray, label: str) -> NumpyArray:
    """Return sequences as a float array.

    Raises
    ------
    DTypeError, ShapeError
        If they are no numbers, or not (batch, time, features) with at least one of each.
    """
    if x.dtype.kind not in "fiub":
        raise DTypeError(f"{label}: expected numbers, got an array of {x.dtype}")
    if x.ndim != 3 or 0 in x.shape:
        raise ShapeError(f"{label}: expected (batch, time, features), none of them 0, got {x.shape}")
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def check_lengths(lengths: NumpyArray | None, x: NumpyArray, label: str, x_label: str) -> NumpyArray | None:
    """Return the lengths of the rows of ``x``, whose valid steps are checked to be finite.

    Raises
    ------
    DTypeError, ShapeError
        If the lengths are not whole numbers, one for each row, within the time axis.
    DataError
        If a valid step holds NaN or an infinity. What lies past a row's end is never read.
    """
    checked = None if lengths is None else as_lengths(lengths, len(x), x.shape[1], label)
    wrong = ~np.isfinite(x).all(axis=2)
    if checked is not None:
        wrong &= np.arange(x.shape[1]) < checked[:, None]
    if wrong.any():
        row, step = (int(index) for index in np.argwhere(wrong)[0])
        feature = int(np.flatnonzero(~np.isfinite(x[row, step]))[0])
        value = x[row, step, feature]
        raise DataError(f"{x_label}: expected finite numbers, got {value} at row {row}, step {step}, feature {feature}")
    return checked


def check_labels(y: NumpyArray, rows: int, label: str) -> NumpyArray:
    """Return labels, one for each row: strings, or whole numbers as int64, or uint64 where only that holds them.

    Raises
    ------
    DTypeError, ShapeError
    """
    if y.dtype.kind not in "iubU":
        raise DTypeError(f"{label}: expected whole numbers or strings as labels, got an array of {y.dtype}")
    if y.shape != (rows,):
        raise ShapeError(f"{label}: expected {rows} labels, one for each row, got shape {y.shape}")
    if y.dtype.kind == "U" or (y.dtype.kind == "u" and y.max(initial=0) > np.iinfo(np.int64).max):
        return y
    return y.astype(np.int64)
