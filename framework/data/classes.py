"""Labels as people have them: text, truth values and categories as integers, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from lamina.core.arguments import flag
from lamina.core.host import as_host, is_plain
from lamina.data.columns import category_order
from lamina.data.entries import each, is_truth, number_arrays, read_entries, read_numbers, show_place
from lamina.errors import DataError, DTypeError

__all__ = ["Classes"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]

# How many names a message shows.
_SHOWN = 8


@dataclass(frozen=True)
class Classes:
    """What each class is called, in the order of their labels; none where the labels are numbers that stay as they are.

    JSON can hold the names: ``model.facts["classes"] = list(classes.names)``, and ``Classes(model.facts["classes"])``.

    Parameters
    ----------
    names : sequence of str, of bool, or of numbers
        All different, and of one kind.

    Raises
    ------
    DTypeError, DataError
        If they are not.

    Examples
    --------
    >>> classes = Classes.read(["spam", "ham", "spam"])
    >>> classes.names, classes.encode(["ham", "spam"]).tolist(), classes.decode([1, 1]).tolist()
    (('ham', 'spam'), [0, 1], ['spam', 'spam'])
    """

    names: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.names, (str, bytes)) or not isinstance(self.names, Iterable):
            raise DTypeError(f"classes: expected a sequence of names, got {self.names!r}")
        names = tuple(one.item() if isinstance(one, np.generic) else one for one in self.names)
        if {type(one) for one in names} == {int, float}:
            names = tuple(map(float, names))
        kinds = {type(one) for one in names}
        for one in names:
            if type(one) not in (str, bool, int, float):
                got = f"{one!r}, of {type(one).__name__}"
                raise DTypeError(f"classes: expected names that are text, True and False, or numbers, got {got}")
        if len(kinds) > 1:
            called = " and ".join(sorted(kind.__name__ for kind in kinds))
            raise DTypeError(f"classes: expected names of one kind, got {called}")
        if kinds == {float} and not all(map(math.isfinite, names)):
            raise DataError("classes: expected finite numbers as names, got one that is not")
        if len(set(names)) < len(names):
            twice = next(one for place, one in enumerate(names) if one in names[:place])
            raise DataError(f"classes: expected names that are all different, got {twice!r} twice")
        object.__setattr__(self, "names", names)

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def read(cls, y: Any, label: str = "y", integers: bool = False) -> Classes:
        """Return the classes that targets name.

        - Text, also as bytes of UTF-8: the texts that occur, sorted, as scikit-learn does.
        - True and False: these two, whichever occur.
        - A Categorical of pandas, or an Enum of polars: its categories, in its own order, whichever occur.
        - Numbers: none; the targets stay as they are, and a loss takes integers from 0 as labels, or says what is
          wrong. With ``integers``, whole numbers that are not just 0 to n - 1 are classes too, sorted.

        Parameters
        ----------
        y : array, list, list of lists, one a row, or a column or table of pandas or polars
            Labels of any shape: (batch,), (batch, 1), (batch, time).
        label : str
            In front of the messages.
        integers : bool
            Whether whole numbers may be the names of classes.

        Raises
        ------
        DataError
            If a label is missing: None, NaN or ``pandas.NA``; it is named with its index.
        DTypeError
            If labels are of several kinds.
        """
        integers = flag("Classes", "integers", integers)
        if is_plain(y) and y.dtype.kind == "b":
            return cls((False, True))
        entries = read_entries(y, label)
        order = category_order(y)
        if order is not None:
            return cls(tuple(order))
        if entries is None:
            return cls(_whole_numbers(y, label) if integers else ())
        found: set[Any] = set()
        for part in entries if isinstance(entries, list) else [entries]:
            found.update(part.reshape(-1).tolist())
        return cls((False, True) if found and found <= {False, True} else tuple(sorted(found)))

    def encode(self, y: Any, label: str = "y", output: tuple[int | None, ...] | None = None) -> Any:
        """Return targets as integer labels; as they are, columns as arrays, where they are numbers and names are not.

        Parameters
        ----------
        y : as `read` takes them
        label : str
            In front of the messages.
        output : tuple of int or None, optional
            The shape of the predictions that the labels are for. Labels are given a last axis of one where these
            have one, (batch, 1) as binary cross-entropy takes them, and lose theirs where these have several.
            Without it (batch, 1) becomes (batch,).

        Returns
        -------
        ndarray of int64, or a list of them, one a row, where ``y`` is a list of sequences

        Raises
        ------
        DataError
            If a label is none of the classes, or missing; it is named with its index.
        DTypeError
            If labels are of several kinds.
        """
        if is_plain(y) and y.dtype.kind == "b" and self.names == (False, True):
            return _fitted(y.astype(np.int64), output)
        entries = read_entries(y, label)
        named = bool(self.names) and not isinstance(self.names[0], (str, bool))  # by numbers
        if (entries is None and not named) or (not self.names and is_truth(entries)):
            return read_numbers(y, label)
        if entries is None:
            entries = number_arrays(y, label)
        table = {name: place for place, name in enumerate(self.names)}
        if not isinstance(entries, list):
            return _fitted(self._labels(entries, table, label, ()), output)
        rows = [self._labels(row, table, label, (index,)) for index, row in enumerate(entries)]
        if output is not None and len(output) == 2 and all(row.shape == (1,) for row in rows):
            return _fitted(np.stack(rows), output)
        return rows if output is None or len(output) < 3 else [_fitted(row, output[1:]) for row in rows]

    def decode(self, labels: Any) -> Any:
        """Return the names of labels, an array of their shape; of a list of label sequences a list of arrays.

        Raises
        ------
        DataError
            If a label is none of the classes.
        DTypeError
            If labels are no integers.
        """
        if isinstance(labels, list) and labels and all(np.ndim(row) for row in labels):
            return [self.decode(row) for row in map(np.asarray, labels)]
        array = as_host(labels, "decode")
        if not self.names:
            return array
        if array.dtype.kind not in "iu" and array.size:
            raise DTypeError(f"decode: expected integer labels, got an array of {array.dtype}")
        wrong = (array < 0) | (array >= len(self))
        if wrong.any():
            raise DataError(f"decode: expected labels from 0 to {len(self) - 1}, got {array[wrong][0]}")
        names = np.array(self.names)
        if names.dtype.kind == "f" and isinstance(self.names[0], int):  # of int64 and uint64: no float holds them
            names = np.array(self.names, object)
        return names[array.astype(np.int64)]

    def _labels(self, entries: NumpyArray, table: dict[Any, int], label: str, before: tuple[int, ...]) -> NumpyArray:
        """Return an array's labels, found in a table; ``before`` is the array's own place."""
        try:
            labels = [table[value] for value in entries.reshape(-1).tolist()]
        except KeyError:
            place, value = next((place, value) for place, value in each(entries) if value not in table)
            value = value.item() if isinstance(value, np.generic) else value
            where = show_place((*before, *place))
            if not table:
                raise DataError(f"{label}: expected numbers as labels, got {value!r} at index {where}") from None
            names = ", ".join([*map(repr, self.names[:_SHOWN]), *(["..."] if len(self) > _SHOWN else [])])
            raise DataError(
                f"{label}: expected one of the {len(self)} classes {names}, got {value!r} at index {where}"
            ) from None
        return np.array(labels, np.int64).reshape(entries.shape)


def _whole_numbers(y: Any, label: str) -> tuple[int, ...]:
    """Return the whole numbers that occur, sorted; none where they are 0 to n - 1, or no whole numbers."""
    numbers = number_arrays(y, label)
    parts = [part for part in (numbers if isinstance(numbers, list) else [numbers]) if part.size]
    if not parts or any(part.dtype.kind not in "iu" for part in parts):
        return ()
    found = sorted(set().union(*(np.unique(part).tolist() for part in parts)))
    return () if found == list(range(len(found))) else tuple(found)


def _fitted(labels: NumpyArray, output: tuple[int | None, ...] | None) -> NumpyArray:
    """Return labels with or without a last axis of one, as predictions of a shape ask for."""
    if output is None:
        return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    single = output[-1] == 1
    if labels.ndim == len(output) and labels.shape[-1] == 1 and not single:
        return labels[..., 0]
    return labels[..., None] if labels.ndim == len(output) - 1 and single else labels
