"""Data that are read piece by piece: rows by index, arrays on a disk, and iterables of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from lamina.core.layer import Layer
from lamina.core.shapes import as_tuple
from lamina.data.checks import named, read_data, read_tuple
from lamina.data.shapes import Data
from lamina.errors import ArgumentError, DataError, ShapeError

__all__ = ["Batches", "Columns", "Items", "Rows", "is_source", "source_of"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


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
    """

    def __init__(self, model: Layer, items: Any, outputs: tuple[str, ...] = (), has_target: bool = True) -> None:
        self._model = model
        self._items = items
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


class Batches:
    """Batches in the order in which an iterable gives them.

    Parameters
    ----------
    model : Layer
    source : iterable, iterator, or function without arguments that returns one
        Of ``(x, y)``, ``(x, y, lengths)`` or ``(x, y, lengths, sample_weight)``.
    outputs : tuple of str
    has_target : bool
        Without, an item that is no tuple is ``x`` alone, and of a tuple its first value is.

    Attributes
    ----------
    begins_anew : bool
        Whether it can be gone through more than once.
    count : int or None
        How many batches it says it has.
    """

    def __init__(self, model: Layer, source: Any, outputs: tuple[str, ...] = (), has_target: bool = True) -> None:
        self._model = model
        self._source = source
        self._outputs = outputs
        self._has_target = has_target
        self.begins_anew = callable(source) or not hasattr(source, "__next__")
        self.count = _length_of(source)

    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over the items as they are: from the start where that can be, or from where it is."""
        found = self._source() if callable(self._source) and not hasattr(self._source, "__iter__") else self._source
        try:
            return iter(found)
        except TypeError as error:
            got = type(found).__name__
            raise ArgumentError(f"x: expected a function that returns an iterable of batches, got a {got}") from error

    def read(self, item: Any, number: int) -> Data:
        """Return one item as data; ``number``, from 1, is for the messages.

        Raises
        ------
        ShapeError, DTypeError, DataError, ArgumentError
        """
        with named(f"batch {number}"):
            if not self._has_target:
                x, lengths = (item[0], item[2] if len(item) > 2 else None) if _is_tuple(item) else (item, None)
                return read_data(self._model, x, lengths=lengths, has_target=False)
            return read_tuple(self._model, tuple(item) if isinstance(item, list) else item, self._outputs)


def is_source(x: Any) -> bool:
    """Tell whether data are read piece by piece: not those that are in memory as a whole."""
    if type(x) in (np.ndarray, list):
        return False
    return _is_items(x) or _is_batches(x) or any(_is_stored(one) for one in as_tuple(x))


def source_of(model: Layer, x: Any, y: Any, *, has_target: bool = True, **columns: Any) -> Rows | Batches:
    """Return the source that data are, for which `is_source` holds.

    Parameters
    ----------
    model : Layer
    x : source
    y : targets
        None for a source that has them itself.
    has_target : bool
    **columns : lengths, sample_weight, mask and outputs, as for `Columns`

    Raises
    ------
    ArgumentError
        If something is given beside a source that has it itself.
    """
    if any(_is_stored(one) for one in as_tuple(x)):
        return Columns(model, x, y, has_target=has_target, **columns)
    outputs = columns.pop("outputs", ())
    for name, value in {"y": y, **columns}.items():
        if value is not None:
            raise ArgumentError(f"{name}: expected none beside a {type(x).__name__}, which gives its own")
    if _is_items(x):
        return Items(model, x, outputs, has_target)
    return Batches(model, x, outputs, has_target)


def _is_array(x: Any) -> bool:
    return hasattr(x, "shape") or hasattr(x, "__array__") or hasattr(x, "__dlpack__")


def _is_items(x: Any) -> bool:
    if isinstance(x, (str, bytes, list, tuple, Mapping, type)) or _is_array(x):
        return False
    return hasattr(x, "__getitem__") and _length_of(x) is not None


def _is_batches(x: Any) -> bool:
    if isinstance(x, (str, bytes, list, tuple, Mapping, set, frozenset, type)) or _is_array(x):
        return False
    return hasattr(x, "__iter__") or callable(x)


def _is_stored(x: Any) -> bool:
    """Tell whether an array lies on a disk: mapped into memory, or one of h5py's, zarr's or the like."""
    return isinstance(x, np.memmap) or (not isinstance(x, np.ndarray) and hasattr(x, "shape") and hasattr(x, "chunks"))


def _is_tuple(item: Any) -> bool:
    return isinstance(item, (tuple, list))


def _length_of(x: Any) -> int | None:
    try:
        return len(x)
    except (TypeError, NotImplementedError):
        return None


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
    if _is_stored(value):
        # In the order in which they lie there: what is on a disk is read faster so, and some take no other.
        order = np.argsort(rows, kind="stable")
        there = np.asarray(value[np.asarray(rows)[order]])
        back = np.empty(len(order), np.intp)
        back[order] = np.arange(len(order))
        return there if (back[1:] > back[:-1]).all() else there[back]
    pick: Callable[[Any], Any] = getattr(value, "iloc", value).__getitem__
    return pick(rows)
