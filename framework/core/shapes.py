"""Shapes, lengths and inputs: read from whatever a caller passes, or refused with one clear line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from lamina.core.arguments import MOST, is_whole
from lamina.core.host import as_host
from lamina.core.proven import proofs
from lamina.errors import DTypeError, ShapeError, shown

__all__ = [
    "MOST_AXES",
    "MOST_ELEMENTS",
    "Lengths",
    "Shape",
    "Shapes",
    "as_lengths",
    "as_shape",
    "as_shapes",
    "as_sizes",
    "as_tuple",
    "input_lengths",
    "is_one_for_each",
    "no_steps",
    "require_alike",
    "show",
]

#: As many as NumPy's arrays had before its version 2.
MOST_AXES = 32
#: No address space holds so many float64 numbers.
MOST_ELEMENTS = 2**60
# None stands for a size that may differ from call to call: the batch, and often the time.
Shape: TypeAlias = tuple[int | None, ...]
# What a layer gives: one shape, or a tuple of shapes where it has several outputs.
Shapes: TypeAlias = Shape | tuple[Shape, ...]
Lengths: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


def as_shape(value: Any, label: str = "build") -> Shape:
    """Return a shape with its first axis, the batch, left open.

    Raises
    ------
    ShapeError
        If the value is not a sequence of positive sizes and None.
    """
    valid = isinstance(value, (tuple, list)) and 0 < len(value) <= MOST_AXES
    if not valid or not all(size is None or (is_whole(size) and 0 < size <= MOST) for size in value[1:]):
        got = f"an array: pass its shape, {np.shape(value)}" if hasattr(value, "shape") else shown(value)
        raise ShapeError(f"{label}: expected a shape such as (None, None, 12), got {got}")
    return (None, *(None if size is None else int(size) for size in value[1:]))


def as_sizes(value: Any, label: str) -> tuple[int, ...]:
    """Return the shape of an array that is to be made: all sizes are known.

    Raises
    ------
    ShapeError
        If it is none, or of more elements than any memory has.
    """
    if not isinstance(value, (tuple, list)) or not all(is_whole(size) and size >= 0 for size in value):
        raise ShapeError(f"{label}: expected a shape such as (12, 64), got {shown(value)}")
    if math.prod(map(int, value)) >= MOST_ELEMENTS:
        raise ShapeError(f"{label}: expected fewer than {MOST_ELEMENTS} elements, got shape {shown(value)}")
    return tuple(int(size) for size in value)


def as_shapes(value: Any, label: str) -> Shapes:
    """Return what a build returned as one shape, or as a tuple of shapes."""
    if isinstance(value, (tuple, list)) and value and isinstance(value[0], (tuple, list)):
        return tuple(as_shape(shape, label) for shape in value)
    return as_shape(value, label)


def as_lengths(value: Any, batch: int, time: int, label: str) -> Lengths:
    """Return the number of valid steps of each row as (batch,) int64, on the host.

    What this call, or the trainer's step, has proven before comes back as it is.

    Raises
    ------
    ShapeError
        If there is not one for each row, or one is negative or longer than the time axis.
    DTypeError
        If they are not whole numbers.
    """
    if proofs.has(value, (batch, time)):
        known: Lengths = value
        return known
    if type(value) is not np.ndarray:
        value = as_host(value, label if label.endswith("lengths") else f"{label} lengths")
    lengths = np.asarray(value)
    if lengths.dtype.kind not in "iu":
        raise DTypeError(f"{label}: expected whole numbers as lengths, got {lengths.dtype}")
    if lengths.shape != (batch,):
        raise ShapeError(f"{label}: expected {batch} lengths, one for each row, got shape {lengths.shape}")
    if batch and (lengths.min() < 0 or lengths.max() > time):
        row = int(np.flatnonzero((lengths < 0) | (lengths > time))[0])
        raise ShapeError(f"{label}: expected lengths from 0 to {time}, got {lengths[row]} at row {row}")
    checked: Lengths = np.ascontiguousarray(lengths, dtype=np.int64)
    proofs.note(checked, (batch, time))
    return checked


def as_tuple(value: Any) -> tuple[Any, ...]:
    """Return several values as they are, and a single one as a tuple."""
    return value if isinstance(value, tuple) else (value,)


def is_one_for_each(lengths: Any) -> bool:
    """Tell whether lengths are a tuple of an array, or None, for each input, not those of one."""
    return isinstance(lengths, tuple) and any(own is None or np.ndim(own) for own in lengths)


def input_lengths(lengths: Any, inputs: Sequence[Any], label: str) -> Any:
    """Return the lengths of a call's inputs as `as_lengths` does: one array for all, or a tuple of one for each.

    Raises
    ------
    ShapeError, DTypeError
    """
    if lengths is None:
        return None
    several = is_one_for_each(lengths)
    if several and len(lengths) != len(inputs):
        raise ShapeError(f"{label}: expected lengths for {len(inputs)} inputs, got {len(lengths)}")
    checked = []
    for own, x in zip(lengths if several else (lengths,), inputs, strict=False):
        if own is not None and x.ndim < 2:
            raise ShapeError(f"{label}: lengths need a time axis, got {tuple(x.shape)}")
        checked.append(None if own is None else as_lengths(own, x.shape[0], x.shape[1], label))
    return tuple(checked) if several else checked[0]


def no_steps(batch: int) -> Lengths:
    """Return how many steps each row has at the start of a stream: 0, (batch,)."""
    return np.zeros(batch, np.int64)


def require_alike(label: str, shapes: Sequence[Shape]) -> Shape:
    """Return the one shape of several inputs, or raise `ShapeError` where there is one input alone or they differ."""
    if len(shapes) < 2 or any(tuple(shape) != tuple(shapes[0]) for shape in shapes):
        raise ShapeError(f"{label}: expected two or more inputs of one shape, got {', '.join(map(show, shapes))}")
    return shapes[0]


def show(shape: Sequence[Any] | None) -> str:
    """Return a shape, or shapes, as a person reads it: ``(batch, 12)`` rather than ``(None, 12)``."""
    if shape is None:
        return "?"
    if shape and isinstance(shape[0], tuple):
        return ", ".join(show(one) for one in shape)
    names = ["batch", "time"] if len(shape) == 3 else ["batch"]
    sizes = [
        names[axis] if size is None and axis < len(names) else "?" if size is None else str(size)
        for axis, size in enumerate(shape)
    ]
    return f"({', '.join(sizes)})" if len(sizes) > 1 else f"({sizes[0]},)"
