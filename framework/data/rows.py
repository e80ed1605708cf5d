"""Rows that are read when they are asked for: of an object with an index, or of arrays on a disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from lamina.core.layer import Layer
from lamina.core.shapes import as_tuple
from lamina.data.checks import read_data
from lamina.data.shapes import Data
from lamina.errors import DataError, ShapeError

__all__ = ["Columns", "Items", "Rows", "is_stored"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


def is_stored(x: Any) -> bool:
    """Tell whether an array lies on a disk: mapped into memory, or one of h5py's, zarr's or the like."""
    return isinstance(x, np.memmap) or (not isinstance(x, np.ndarray) and hasattr(x, "shape") and hasattr(x, "chunks"))


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
        x = _column([one[0] for one in read])
        if not self._has_target:
            return read_data(self._model, x, has_target=False)
        y = _column([one[1] for one in read]) if self._outputs else [one[1] for one in read]
        y = y if self._encode is None else self._encode(y)
        weighted = [len(one) > 2 for one in read]
        if any(weighted) and not all(weighted):
            raise DataError(
                f"x: expected a sample_weight in each row, got none in row {int(rows[weighted.index(False)])}"
            )
        weights = [one[2] for one in read] if all(weighted) else None
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
    ) -> None:
        self._model = model
        self._outputs = outputs
        self._has_target = has_target
        self._columns = {"x": x, "lengths": lengths, "sample_weight": sample_weight, "mask": mask}
        if has_target:
            self._columns["y"] = y
        self.rows = len(as_tuple(x)[0])
        if not self.rows:
            raise DataError("x: expected at least one row, got none")
        for name, value in self._columns.items():
            parts = value.values() if isinstance(value, Mapping) else as_tuple(value) if value is not None else ()
            for part in parts:
                if hasattr(part, "__len__") and len(part) != self.rows:
                    raise ShapeError(
                        f"expected as many rows in x and {name}, got {self.rows} in x, {len(part)} in {name}"
                    )

    def take(self, rows: Any) -> Data:
        """Return some rows, given by their numbers."""
        found = {name: _picked(value, rows) for name, value in self._columns.items()}
        return read_data(
            self._model,
            found["x"],
            found.get("y"),
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


def _column(values: list[Any]) -> Any:
    """Return one value of each row as the values of many: a tuple of lists where each is a tuple, a dict of them."""
    first = values[0]
    if isinstance(first, tuple):
        return tuple(list(column) for column in zip(*values, strict=True))
    if isinstance(first, Mapping):
        return {name: [value[name] for value in values] for name in first}
    return values


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
