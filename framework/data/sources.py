"""Data that are read piece by piece: rows by index, arrays on a disk, and iterables of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from lamina.core.layer import Layer
from lamina.core.shapes import as_tuple
from lamina.data.checks import named, read_data, read_tuple
from lamina.data.rows import Columns, Items, Rows, is_stored, without_stored
from lamina.data.shapes import Data
from lamina.errors import ArgumentError

__all__ = ["Batches", "is_source", "source_of"]


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
    encode : callable, optional
        Makes labels of what targets name.

    Attributes
    ----------
    begins_anew : bool
        Whether it can be gone through more than once.
    count : int or None
        How many batches it says it has.
    """

    def __init__(
        self,
        model: Layer,
        source: Any,
        outputs: tuple[str, ...] = (),
        has_target: bool = True,
        encode: Callable[[Any], Any] | None = None,
    ) -> None:
        self._model = model
        self._encode = encode
        self._source = source
        self._outputs = outputs
        self._has_target = has_target
        self.begins_anew = callable(source) or not hasattr(source, "__next__")
        self.count = _length_of(source)

    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over the items as they are: from the start where that can be, or from where it is."""
        found = self._source() if callable(self._source) and not hasattr(self._source, "__iter__") else self._source
        if not hasattr(found, "__iter__") and not hasattr(found, "__getitem__"):
            got = type(found).__name__
            raise ArgumentError(f"x: expected a function that returns an iterable of batches, got a {got}")
        return self._each(found)

    def _each(self, found: Any) -> Iterator[Any]:
        following, number = iter(found), 0
        while True:
            number += 1
            try:
                item = next(following)
            except StopIteration:
                return
            except Exception as error:
                error.add_note(f"while batch {number} of {type(found).__name__} was read")
                raise
            yield item

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
            if self._encode is not None and _is_tuple(item) and len(item) > 1:
                item = (item[0], self._encode(item[1]), *item[2:])
            return read_tuple(self._model, item, self._outputs)


def is_source(x: Any) -> bool:
    """Tell whether data are read piece by piece: not those that are in memory as a whole."""
    if type(x) in (np.ndarray, list):
        return False
    return _is_items(x) or _is_batches(x) or any(is_stored(one) for one in as_tuple(x))


def source_of(model: Layer, x: Any, y: Any, *, has_target: bool = True, **columns: Any) -> Rows | Batches:
    """Return the source that data are, for which `is_source` holds.

    Parameters
    ----------
    model : Layer
    x : source
    y : targets
        None for a source that has them itself.
    has_target : bool
    **columns : lengths, sample_weight, mask and outputs, as for `Columns`, and encode, as for `Items`

    Raises
    ------
    ArgumentError
        If something is given beside a source that has it itself.
    """
    if any(is_stored(one) for one in as_tuple(x)):
        encode = columns.pop("encode", None)
        if encode is not None and y is not None:
            there = without_stored(y)
            known = encode(there)  # of all rows, where they are in memory
            if there is y:
                y, encode = known, None
        return Columns(model, x, y, has_target=has_target, encode=encode, **columns)
    outputs, encode = columns.pop("outputs", ()), columns.pop("encode", None)
    for name, value in {"y": y, **columns}.items():
        if value is not None:
            raise ArgumentError(f"{name}: expected none beside a {type(x).__name__}, which gives its own")
    if _is_items(x):
        return Items(model, x, outputs, has_target, encode)
    return Batches(model, x, outputs, has_target, encode)


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


def _is_tuple(item: Any) -> bool:
    return isinstance(item, (tuple, list))


def _length_of(x: Any) -> int | None:
    try:
        return len(x)
    except (TypeError, NotImplementedError):
        return None
