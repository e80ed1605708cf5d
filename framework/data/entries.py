"""Targets that are no numbers, as arrays of Python's objects of one kind, whatever they came in."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Number
from typing import Any, TypeAlias

import numpy as np

from lamina.core.host import as_host, is_plain
from lamina.data.columns import as_entries, as_numbers, is_column, is_missing
from lamina.errors import DataError, DTypeError, ShapeError

__all__ = ["Entries", "each", "is_truth", "number_arrays", "read_entries", "read_numbers", "show_place"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]
#: An array of any shape, or a list of one for each row.
Entries: TypeAlias = NumpyArray | list[NumpyArray]

_NUMBERS, _TEXT, _TRUTH, _MISSING = "numbers", "text", "True and False", "nothing"


def read_entries(y: Any, label: str) -> Entries | None:
    """Return text and truth values as objects, ``str`` and ``bool`` alone; None where ``y`` holds something else.

    Raises
    ------
    DataError
        If one is missing, or bytes are no UTF-8.
    DTypeError
        If they are of several kinds.
    ShapeError
        If a row is no sequence where others are, or a row's lists are not of one length.
    """
    read = _read(y, label)
    if read is None:
        return None
    parts = read if isinstance(read, list) else [read]
    types: set[type] = set().union(*(map(type, part.reshape(-1).tolist()) for part in parts))
    kinds = {_kind(one) for one in types}
    if _MISSING in kinds:
        _refuse(read, label, lambda value: _kind(type(value)) == _MISSING)
    if _NUMBERS in kinds and len(kinds) > 1:
        _refuse(read, label, lambda value: value != value)  # NaN, beside text
    if len(kinds) > 1:
        first_kind = _kind(type(next(value for _, value in each(read))))
        place, value = next(one for one in each(read) if _kind(type(one[1])) != first_kind)
        raise DTypeError(
            f"{label}: expected labels of one kind, got {first_kind} first and {value!r} at index {show_place(place)}"
        )
    if not kinds <= {_TEXT, _TRUTH}:
        return None
    if types <= {str, bool}:
        return read
    plain = [_plain(part, label) for part in parts]
    return plain if isinstance(read, list) else plain[0]


def read_numbers(y: Any, label: str) -> Any:
    """Return numbers as they are, but for columns, and arrays of objects, which become arrays of numbers.

    Raises
    ------
    DTypeError
        If a column holds something else.
    """
    if isinstance(y, np.ndarray) and y.dtype.kind == "O":
        try:
            array = np.array(y.tolist())
        except ValueError:  # of arrays, or lists, of unequal length
            return y
        return array if array.dtype.kind in "fiu" else y
    return as_numbers(y, label)


def number_arrays(y: Any, label: str) -> Entries:
    """Return numbers as an array, or of a list of sequences as a list of arrays.

    Raises
    ------
    ShapeError, DTypeError, DataError
    """
    numbers = read_numbers(y, label)
    if isinstance(numbers, list) and any(map(np.ndim, numbers)):
        return [as_host(row, label) for row in numbers]
    return as_host(numbers, label)


def is_truth(entries: Entries | None) -> bool:
    """Tell whether entries are truth values."""
    parts = entries if isinstance(entries, list) else [] if entries is None else [entries]
    return any(isinstance(part.reshape(-1)[0], bool) for part in parts if part.size)


def each(entries: Entries) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield each entry's index, the row first, and the entry."""
    if isinstance(entries, list):
        for row, part in enumerate(entries):
            yield from (((row, *place), value) for place, value in np.ndenumerate(part))
    else:
        yield from np.ndenumerate(entries)


def show_place(place: tuple[int, ...]) -> str:
    """Return an index as messages show it: 3, or (3, 1)."""
    return str(place[0]) if len(place) == 1 else str(place)


def _read(y: Any, label: str) -> Entries | None:
    """Return what may be no numbers as an array of objects, or a list of one a row; None for what surely is numbers."""
    if is_plain(y) and y.dtype.kind not in "bOSUT":
        return None
    if is_column(y):
        y = as_entries(y, label)
    if isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind == "O":
        y = y.tolist()  # maybe of lists
    if isinstance(y, np.ndarray):
        return y.astype(object) if y.dtype.kind in "bOSUT" else None
    if not isinstance(y, (list, tuple)) or not y:
        return None
    kinds = set(map(type, y))
    if all(_kind(kind) == _NUMBERS for kind in kinds):
        return None
    if any(_is_sequence(next(one for one in y if type(one) is kind)) for kind in kinds):
        return _read_rows(y, label)
    if not {_TEXT, _TRUTH, _MISSING} & set(map(_kind, kinds)):
        return None  # tensors, dates: a loss takes them, or says what is wrong
    entries = np.empty(len(y), object)
    for index, one in enumerate(y):  # one by one: NumPy would look into a tensor
        entries[index] = one
    return entries


def _read_rows(rows: Any, label: str) -> list[NumpyArray] | None:
    """Return rows, each a sequence, as arrays of objects; None where all are of numbers."""
    read: list[Any] = []
    for index, row in enumerate(rows):
        if _kind(type(row)) == _MISSING:
            raise DataError(f"{label}: expected a value, got {row} at index {index}")
        part = _read(row, label)
        if isinstance(part, list):
            if len({one.shape for one in part}) > 1:
                raise ShapeError(f"{label}: expected rectangular arrays, got an uneven one at index {index}")
            part = np.stack(part)
        read.append(part)
    if all(part is None for part in read):
        return None
    for index, (part, row) in enumerate(zip(read, rows, strict=True)):
        if part is not None:
            continue
        if not _is_sequence(row):
            raise ShapeError(f"{label}: expected a sequence of labels in every row, got {row!r} at index {index}")
        if len(row):
            raise DTypeError(f"{label}: expected labels of one kind, got text first and numbers at index {index}")
        read[index] = np.empty(0, object)
    return read


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0) or is_column(value)


def _kind(cls: type) -> str:
    """Return what values of a class are: text, truth values, numbers, nothing at all, or of the class's name."""
    if issubclass(cls, (str, bytes)):
        return _TEXT
    if issubclass(cls, (bool, np.bool_)):
        return _TRUTH
    if issubclass(cls, Number):
        return _NUMBERS
    if is_missing(cls):
        return _MISSING
    return cls.__name__


def _refuse(entries: Entries, label: str, is_missing: Any) -> None:
    """Raise at the first entry that is missing."""
    for place, value in each(entries):
        if is_missing(value):
            raise DataError(f"{label}: expected a value, got {value} at index {show_place(place)}")


def _plain(part: NumpyArray, label: str) -> NumpyArray:
    """Return text as ``str`` and truth values as ``bool``."""
    plain = part.copy()
    for place, value in np.ndenumerate(part):
        if isinstance(value, bytes):
            try:
                plain[place] = value.decode()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{label}: expected text in UTF-8, got {value!r} at index {show_place(place)}"
                ) from error
        else:
            plain[place] = str(value) if isinstance(value, str) else bool(value)
    return plain
