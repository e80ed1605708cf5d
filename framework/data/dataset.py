"""What a data set is, and how one is read from the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lamina.errors import DTypeError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["Dataset", "Series", "float_dtype", "read_arrays"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Labelled sequences, split into rows to train on and rows to test on.

    The arrays belong to the caller: each load makes new ones.

    Attributes
    ----------
    name : str
        The name that `load` knows it by.
    x_train, x_test : ndarray of float, shape (batch, time, features)
        The sequences, zero past each row's end. Both splits have the same number of time steps.
    y_train, y_test : ndarray of int64, shape (batch,)
        The rows' classes, from 0: positions in `class_names`.
    lengths_train, lengths_test : ndarray of int64, shape (batch,), or None
        The rows' numbers of valid steps; None where every row is full.
    class_names : tuple of str
        What each class is called.
    """

    name: str
    x_train: NumpyArray
    y_train: NumpyArray
    lengths_train: NumpyArray | None
    x_test: NumpyArray
    y_test: NumpyArray
    lengths_test: NumpyArray | None
    class_names: tuple[str, ...]

    def __repr__(self) -> str:
        rows, steps, features = self.x_train.shape
        ragged = ""
        if self.lengths_train is not None and self.lengths_test is not None:
            lengths = np.concatenate([self.lengths_train, self.lengths_test])
            ragged = f"lengths {lengths.min()}-{lengths.max()}, "
        return (
            f"<Dataset {self.name}: {rows} train + {len(self.x_test)} test rows, {steps} steps x "
            f"{features} features, {ragged}{len(self.class_names)} classes, {self.x_train.dtype}>"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """One value a year, without gaps.

    The arrays belong to the caller: each load makes new ones.

    Attributes
    ----------
    name : str
    years : ndarray of int64, shape (time,)
    values : ndarray of float, shape (time,)
    """

    name: str
    years: NumpyArray
    values: NumpyArray

    def __repr__(self) -> str:
        return (
            f"<Series {self.name}: {len(self.years)} years, {self.years[0]}-{self.years[-1]}, "
            f"values {self.values.min():g}-{self.values.max():g}, {self.values.dtype}>"
        )


def float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the dtype, refusing one that cannot hold the values."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found.kind != "f":
        raise DTypeError(f"data set: expected a float dtype such as 'float32', got {dtype!r}")
    return found


def read_arrays(file: str) -> dict[str, NumpyArray]:
    """Return the arrays of one file in ``sets/``, which may lie inside a zipped package."""
    from importlib.resources import files  # here, as it would slow down every `import lamina`

    with (
        (files("lamina.data") / "sets" / file).open("rb") as stream,
        np.load(stream, allow_pickle=False) as stored,
    ):
        return {name: stored[name] for name in stored.files}
