"""What pandas and polars hold, as arrays of NumPy's or lists; neither is imported: an object tells whose it is."""

from __future__ import annotations

from numbers import Number
from typing import Any, NoReturn, TypeAlias

import numpy as np

from lamina.errors import DataError, DTypeError

__all__ = ["as_entries", "as_numbers", "category_order", "is_column", "is_missing"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]

_NUMBERS = "fiub"


def is_column(value: Any) -> bool:
    """Tell whether a value is a column, or a table of columns, of pandas or polars."""
    return _library(type(value)) is not None and (hasattr(value, "dtype") or _is_table(value))


def as_numbers(value: Any, label: str) -> Any:
    """Return columns of numbers as an array: (rows,) of one, (rows, columns) of a table; other values as they are.

    In a list or tuple each is; a column that holds lists, or arrays, comes as a list of them. Rows are taken in their
    order, whatever their index. A missing number is NaN.

    Raises
    ------
    DTypeError
        If a column holds something else.
    """
    if isinstance(value, (list, tuple)):
        if all(_library(cls) is None for cls in set(map(type, value))):
            return value
        each = [as_numbers(one, f"{label}[{index}]") for index, one in enumerate(value)]
        return tuple(each) if isinstance(value, tuple) else each
    if type(value) is np.ndarray or _library(type(value)) is None:
        return value
    if type(value).__name__ == "LazyFrame":
        raise DTypeError(f"{label}: expected a table or column, got a LazyFrame: collect it first")
    if not is_column(value):
        return value
    array = value.to_numpy() if hasattr(value, "to_numpy") else np.asarray(value)
    # A table of polars gives dates beside numbers as integers.
    dates = hasattr(value, "get_columns") and any(_kind(column) not in _NUMBERS for column in _columns(value))
    if array.dtype.kind in _NUMBERS and not dates:
        return array
    if not _is_table(value):
        return _column_numbers(value, label, "")
    arrays = [
        _column_numbers(column, label, f" in column {str(name)!r}")
        for column, name in zip(_columns(value), value.columns, strict=True)
    ]
    return np.stack(arrays, axis=1) if arrays else np.zeros((len(value), 0))


def as_entries(value: Any, label: str) -> Any:
    """Return a column, or a table, as an array of what it holds: numbers and booleans NumPy's, all else Python's.

    Raises
    ------
    DataError
        If a value is missing.
    """
    if _is_table(value):
        columns = [as_entries(column, label) for column in _columns(value)]
        return np.stack(columns, axis=1) if columns else np.zeros((len(value), 0))
    entries = as_numbers(value, label) if _kind(value) in _NUMBERS else np.empty(len(value), object)
    missing = np.asarray(value.is_null() if hasattr(value, "is_null") else value.isna(), bool)
    if entries.dtype.kind == "f":
        missing = missing | np.isnan(entries)
    if missing.any():
        raise DataError(f"{label}: expected a value, got none at index {int(missing.argmax())}")
    if entries.dtype.kind == "O":
        for index, one in enumerate(value):  # one by one: there may be lists in it
            entries[index] = one
    return entries


def category_order(value: Any) -> list[Any] | None:
    """Return the categories of a categorical column in their own order; None where a value is none.

    A Categorical of polars has no order of its own: its categories are those of all columns, as they were first met.
    """
    library = _library(type(value))
    if library is None:
        return None
    if _is_table(value):
        columns = _columns(value)
        return category_order(columns[0]) if len(columns) == 1 else None
    dtype: Any = getattr(value, "dtype", None)
    if library == "polars" and type(dtype).__name__ != "Enum":
        return None
    categories = getattr(dtype, "categories", None)
    return None if categories is None else list(categories)


def _library(cls: type) -> str | None:
    """Return whose class it is, also where it is derived from one of theirs: pandas', polars' or nobody's."""
    for base in cls.__mro__:
        name = base.__module__.partition(".")[0]
        if name in ("pandas", "polars"):
            return name
    return None


def _is_table(value: Any) -> bool:
    return len(getattr(value, "shape", ())) == 2 and hasattr(value, "columns")


def _columns(table: Any) -> list[Any]:
    """Return a table's columns, by place: pandas allows two of one name."""
    if hasattr(table, "get_columns"):
        return list(table.get_columns())
    return [table.iloc[:, index] for index in range(table.shape[1])]


def _kind(column: Any) -> str:
    """Return the kind of a column's dtype as NumPy calls it, ``O`` for what is none of NumPy's."""
    dtype = column.dtype
    if hasattr(dtype, "is_numeric"):  # polars'
        return "f" if dtype.is_numeric() else "b" if type(dtype).__name__ == "Boolean" else "O"
    return str(getattr(dtype, "kind", "O"))


def _column_numbers(column: Any, label: str, where: str) -> Any:
    """Return a column as an array of numbers, NaN where one is missing; one of lists as a list."""
    values = list(column)
    if values and not where and all(isinstance(one, (list, tuple, np.ndarray)) or is_column(one) for one in values):
        return as_numbers(values, label)
    numbers = [np.nan if is_missing(type(one)) else one for one in values]
    for index, one in enumerate(numbers):
        if not isinstance(one, (Number, np.bool_)) or isinstance(one, complex):
            _refuse(label, where, index, one)
    array = np.array(numbers)
    return array if array.dtype.kind in _NUMBERS else array.astype(np.float64)  # Decimal, say


def is_missing(cls: type) -> bool:
    """Tell whether values of a class stand for nothing: None, pandas.NA, NaT."""
    return cls is type(None) or cls.__name__ in ("NAType", "NaTType")


def _refuse(label: str, where: str, index: int, value: Any) -> NoReturn:
    raise DTypeError(f"{label}: expected numbers{where}, got {value!r} at row {index}")
