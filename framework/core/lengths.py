"""Lengths of a call: one array where one input has a time axis, a tuple of one for each input where several have.

An input has a time axis if it has three axes or more, or two and is read as integers; an initial state has none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.core.proven import proofs
from lamina.core.shapes import as_lengths, as_tuple, is_one_for_each
from lamina.core.tree import Tree
from lamina.errors import ShapeError

__all__ = [
    "each_lengths",
    "is_timed",
    "lengths_after",
    "read_lengths",
    "require_alike_steps",
    "require_one_length",
    "zero_past_ends",
]


def is_timed(layer: Tree, index: int, rank: int) -> bool:
    """Tell whether an input of a layer, of so many axes, has a time axis."""
    return index < len(layer.input_shapes) and (rank > 2 or (rank == 2 and layer.reads_integers(index)))


def read_lengths(layer: Tree, lengths: Any, inputs: tuple[Any, ...]) -> Any:
    """Return a call's lengths as its layer gets them, checked: an array, or a tuple of one, or None, for each input.

    Parameters
    ----------
    layer : Layer
        Built.
    lengths : (batch,) integers, or a tuple of one such, or None, for each input
    inputs : tuple of arrays, or None

    Raises
    ------
    ShapeError, DTypeError
        If they do not fit the inputs.
    """
    if len(inputs) == 1 and not isinstance(lengths, tuple):
        x = inputs[0]
        if x is not None and x.ndim > 2 and proofs.has(lengths, x.shape[:2]):
            return lengths  # within a call that has read them
        return _checked(layer, lengths, inputs[0], 0)
    count = max(len(layer.input_shapes), 1)
    ranks = [0 if x is None else x.ndim for x in inputs[:count]]
    timed = [index for index, rank in enumerate(ranks) if is_timed(layer, index, rank)]
    if not is_one_for_each(lengths):
        each: list[Any] = [lengths if index in timed else None for index in range(count)]
        if not timed:
            return _checked(layer, lengths, inputs[0], 0)
    else:
        each = list(lengths)
        if len(each) not in (count, len(inputs)):
            raise ShapeError(f"{layer.label}: expected lengths for {count} inputs, got {len(each)}")
    pairs = enumerate(zip(each, inputs, strict=False))
    checked = [None if own is None else _checked(layer, own, x, index) for index, (own, x) in pairs]
    if len(timed) > 1:
        return tuple(checked[:count])
    return next((own for own in checked if own is not None), None)


def _checked(layer: Tree, lengths: Any, x: Any, index: int) -> Any:
    if x is None or not (x.ndim > 2 or is_timed(layer, index, x.ndim)):
        raise ShapeError(f"{layer.label}: lengths need a time axis, got {None if x is None else tuple(x.shape)}")
    return as_lengths(lengths, x.shape[0], x.shape[1], layer.label)


def lengths_after(layer: Tree, lengths: Any) -> Any:
    """Return the lengths of a built layer's output: an array or None, and a tuple of them for several outputs.

    Parameters
    ----------
    layer : Layer
    lengths : array, tuple or None
        As a call of the layer takes them.
    """
    if lengths is None:
        return None
    if layer._record.simple and not isinstance(lengths, tuple):
        return layer.output_lengths(lengths)  # as nearly always
    shapes: Any = layer.input_shapes
    given_each = is_one_for_each(lengths)
    if len(shapes) > 1 or given_each:
        timed = [is_timed(layer, index, len(shape)) for index, shape in enumerate(shapes)]
        each = lengths if given_each else [lengths if own else None for own in timed]
        lengths = tuple(each) if sum(timed) > 1 else next((own for own in each if own is not None), None)
    after = layer.output_lengths(lengths)
    given: Any = layer.output_shape
    if not isinstance(given[0], tuple):
        return after
    if isinstance(after, tuple) and len(after) == len(given):
        return after
    return tuple(after if len(shape) > 2 else None for shape in given)


def each_lengths(lengths: Any, count: int) -> tuple[Any, ...]:
    """Return the lengths of each of so many inputs, or outputs: one, or None, is that of all."""
    return lengths if isinstance(lengths, tuple) else (lengths,) * count


def require_one_length(label: str, lengths: Any, sizes: Any = ()) -> Any:
    """Return the one lengths array of inputs that are combined step by step, None where all rows are full.

    Parameters
    ----------
    label : str
    lengths : array, None, or a tuple of them
    sizes : sequence of int
        The time axis of each input, to tell a full row by.

    Raises
    ------
    ShapeError
        If they differ: a step of one would meet another's padding.
    """
    if not isinstance(lengths, tuple):
        return lengths
    given = [own for own in lengths if own is not None]
    if not given:
        return None
    first = given[0]
    for index, own in enumerate(lengths):
        if own is first:
            continue
        other = np.full_like(first, sizes[index]) if own is None and index < len(sizes) else own
        if other is None or not np.array_equal(first, other):
            got = "none, for full rows," if own is None else str(np.asarray(own).tolist())
            raise ShapeError(f"{label}: expected inputs of the same lengths, got {first.tolist()} and {got}")
    return first


def require_alike_steps(layer: Tree, lengths: tuple[Any, ...], inputs: tuple[Any, ...]) -> None:
    """Raise `ShapeError` where a layer that takes no lengths, nor says what becomes of them, is given different ones.

    It goes step by step: one input's padding would meet another's steps.
    """
    if type(layer).output_lengths is Tree.output_lengths:
        timed = [index for index, x in enumerate(inputs) if x is not None and is_timed(layer, index, x.ndim)]
        require_one_length(layer.label, tuple(lengths[index] for index in timed), [inputs[i].shape[1] for i in timed])


def zero_past_ends(layer: Tree, outputs: Any, lengths: Any) -> tuple[Any, Any]:
    """Return a layer's outputs with zeros past each row's end, and the ends, one entry an output; None if all are full.

    Parameters
    ----------
    layer : Layer
    outputs : array, or a tuple of them
        Or their gradients.
    lengths : array, tuple or None
        Those of the outputs, as `lengths_after` gives them.
    """
    several, each = isinstance(outputs, tuple), as_tuple(outputs)
    own = each_lengths(lengths, len(each))
    backend, zeroed = layer.backend, []
    ends = tuple([_ends(y, one) for y, one in zip(each, own, strict=True)])
    if all(end is None for end in ends):
        return outputs, None
    for y, end in zip(each, ends, strict=True):
        zeroed.append(y if end is None or y is None else backend.zero_past(y, end))
    return (tuple(zeroed) if several else zeroed[0]), (ends if several else ends[0])


def _ends(y: Array, lengths: Any) -> Any:
    """Return the lengths of an output that has a time axis and a row that is not full, else None."""
    if lengths is None or y is None or y.ndim < 3:
        return None
    lengths = np.asarray(lengths)
    return lengths if len(lengths) == y.shape[0] and bool((lengths < y.shape[1]).any()) else None
