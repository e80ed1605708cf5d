"""Rows that are read when they are asked for: of an object with an index, or of arrays on a disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from lamina.core.layer import Layer
from lamina.core.shapes import as_tuple
from lamina.data.checks import read_data
from lamina.data.shapes import Data
from lamina.errors import ArgumentError, DataError, ShapeError

__all__ = ["Columns", "Items", "Rows", "is_stored", "without_stored"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


def is_stored(x: Any) -> bool:
    """Tell whether an array lies on a disk: mapped into memory, or one of h5py's, zarr's or the like."""
    return isinstance(x, np.memmap) or (not isinstance(x, np.ndarray) and hasattr(x, "shape") and hasattr(x, "chunks"))


def without_stored(y: Any) -> Any:
    """Return targets, of one output or of several, with None in place of those that lie on a disk."""
    if not any(is_stored(one) for one in _parts(y)):
        return y
    if isinstance(y, Mapping):
        return {name: None if is_stored(one) else one for name, one in y.items()}
    return tuple(None if is_stored(one) else one for one in y) if isinstance(y, tuple) else None


class Rows:
    """Rows that are read when they are asked for.

    Attributes
    ----------
    rows : int
        How many there are.
    """

    rows: int

    def take(self, rows: Any) -> Data:
        """Return some rows, given by their numbers, read as `read_data` does."""
        raise NotImplementedError(f"{type(self).__name__} does not define take")

    def lengths(self) -> NumpyArray | None:
        """Return the numbers of steps of all rows, where they are known without reading them."""
        return None

    def targets(self) -> Any:
        """Return the targets of all rows, where they are apart from the inputs; None where not."""
        return None


class Items(Rows):
    """The rows of an object with ``len(...)`` and ``[index]``: each ``(x, y)`` or ``(x, y, sample_weight)``.

    Parameters
    ----------
    model : Layer
    items : object
    outputs : tuple of str
        The outputs' names, where there are several: then ``y`` is a tuple, or a dict by name.
    has_target : bool
        Whether the targets are to be read. Without, a row may also be its ``x`` alone, which is no tuple then.
    encode : callable, optional
        Makes labels of what targets name.
    """

    def __init__(
        self,
        model: Layer,
        items: Any,
        outputs: tuple[str, ...] = (),
        has_target: bool = True,
        encode: Callable[[Any], Any] | None = None,
    ) -> None:
        self._model = model
        self._items = items
        self._encode = encode
        self._outputs = outputs
        self._has_target = has_target
        self.rows = len(items)
        if not self.rows:
            raise DataError("x: expected at least one row, got none")

    def take(self, rows: Any) -> Data:
        """Return some rows, given by their numbers."""
        read = [self._read(int(row)) for row in rows]
        x = _column("x", [one[0] for one in read], rows)
        if not self._has_target:
            return read_data(self._model, x, has_target=False)
        y = [one[1] for one in read]
        y = _column("y", y, rows) if self._outputs else y
        y = y if self._encode is None else self._encode(y)
        weighted = [len(one) > 2 for one in read]
        if any(weighted) and not all(weighted):
            raise DataError(
                f"x: expected a sample_weight in each row, got none in row {int(rows[weighted.index(False)])}"
            )
        weights = [one[2] for one in read] if all(weighted) else None
        if weights is not None and self._outputs:
            weights = _column("sample_weight", weights, rows)
        return read_data(self._model, x, y, None, weights, outputs=self._outputs)

    def _read(self, row: int) -> Any:
        try:
            item = self._items[row]
        except Exception as error:
            error.add_note(f"while row {row} of {type(self._items).__name__} was read")
            raise
        if not self._has_target:
            return item if isinstance(item, (tuple, list)) else (item,)
        if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
            got = f"{len(item)} values" if isinstance(item, (tuple, list)) else type(item).__name__
            raise DataError(f"x: expected (x, y) or (x, y, sample_weight) as row {row}, got {got}")
        return item


class Columns(Rows):
    """The rows of arrays of which some lie on a disk: they are read when they are asked for.

    Parameters
    ----------
    model : Layer
    x, y, lengths, sample_weight, mask : as for `read_data`
    outputs : tuple of str
    has_target : bool
    encode : callable, optional
        Makes labels of what targets name, of the rows that are taken.

    Raises
    ------
    ShapeError, DataError, ArgumentError
        If there are no rows, or there is not something for each of them.
    """

    def __init__(
        self,
        model: Layer,
        x: Any,
        y: Any = None,
        lengths: Any = None,
        sample_weight: Any = None,
        *,
        mask: Any = None,
        outputs: tuple[str, ...] = (),
        has_target: bool = True,
        encode: Callable[[Any], Any] | None = None,
    ) -> None:
        self._model = model
        self._outputs = outputs
        self._has_target = has_target
        self._encode = encode
        self._columns = {"x": x, "lengths": lengths, "sample_weight": sample_weight, "mask": mask}
        if has_target:
            if y is None:
                raise ArgumentError("y: expected targets, got none")
            self._columns["y"] = y
        self.rows = _count("x", as_tuple(x)[0])
        if not self.rows:
            raise DataError("x: expected at least one row, got none")
        for name, value in self._columns.items():
            for part in _parts(value):
                if part is not None and _count(name, part) != self.rows:
                    raise ShapeError(
                        f"expected as many rows in x and {name}, got {self.rows} in x, {len(part)} in {name}"
                    )

    def take(self, rows: Any) -> Data:
        """Return some rows, given by their numbers."""
        found = {name: _picked(value, rows) for name, value in self._columns.items()}
        y = found.get("y")
        return read_data(
            self._model,
            found["x"],
            y if self._encode is None or not self._has_target else self._encode(y),
            found["lengths"],
            found["sample_weight"],
            mask=found["mask"],
            has_target=self._has_target,
            outputs=self._outputs,
        )

    def lengths(self) -> NumpyArray | None:
        """Return the numbers of steps of all rows, where they are given."""
        lengths = self._columns["lengths"]
        return None if lengths is None or isinstance(lengths, tuple) else np.asarray(lengths)

    def targets(self) -> Any:
        """Return the targets of all rows."""
        return self._columns.get("y")


def _column(name: str, values: list[Any], rows: Sequence[int] | NumpyArray) -> Any:
    """Return one value of each row as the values of many: a tuple of lists where each is a tuple, a dict of them.

    Raises
    ------
    ShapeError
        If a row has not the parts that the first of these rows has.
    """
    first = _shape(values[0])
    for row, value in zip(rows, values, strict=True):
        if _shape(value) != first:
            raise ShapeError(
                f"{name}: expected {_shown(first)} in row {row}, as in row {rows[0]}, got {_shown(_shape(value))}"
            )
    if isinstance(first, int):
        return tuple([value[index] for value in values] for index in range(first))
    if isinstance(first, frozenset):
        return {key: [value[key] for value in values] for key in values[0]}
    return values


def _shape(value: Any) -> Any:
    """Return of how many parts the value of one row is, or of which by name; None where it is one."""
    if isinstance(value, Mapping):
        return frozenset(value)
    return len(value) if isinstance(value, tuple) else None


def _shown(shape: Any) -> str:
    if shape is None:
        return "one value"
    return f"a tuple of {shape}" if isinstance(shape, int) else f"a dict of {', '.join(sorted(map(str, shape)))}"


def _parts(value: Any) -> Sequence[Any]:
    """Return what a column is of: the parts of a tuple or a dict, or itself; nothing of None."""
    if value is None:
        return ()
    return list(value.values()) if isinstance(value, Mapping) else as_tuple(value)


def _count(name: str, part: Any) -> int:
    try:
        return len(part)
    except TypeError as error:
        raise ShapeError(f"{name}: expected one for each row, got a {type(part).__name__} without rows") from error


def _picked(value: Any, rows: Sequence[int] | NumpyArray) -> Any:
    """Return some rows of a column: of each array of a tuple, or a dict; None stays None."""
    if value is None:
        return None
    if isinstance(value, tuple):
        return tuple(_picked(one, rows) for one in value)
    if isinstance(value, Mapping):
        return {name: _picked(one, rows) for name, one in value.items()}
    if isinstance(value, list):
        return [value[int(row)] for row in rows]
    if is_stored(value):
        # In the order in which they lie there: what is on a disk is read faster so, and some take no other.
        order = np.argsort(rows, kind="stable")
        there = np.asarray(value[np.asarray(rows)[order]])
        back = np.empty(len(order), np.intp)
        back[order] = np.arange(len(order))
        return there if (back[1:] > back[:-1]).all() else there[back]
    pick: Callable[[Any], Any] = getattr(value, "iloc", value).__getitem__
    return pick(rows)
