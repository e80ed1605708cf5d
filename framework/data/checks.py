"""Training data, read and checked on the host before anything changes: one typed line for what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from lamina.core.host import as_host
from lamina.core.layer import Layer
from lamina.core.lengths import each_lengths, lengths_after
from lamina.core.shapes import Lengths, input_lengths
from lamina.data.arrays import converted, read_array
from lamina.data.goals import Goal
from lamina.data.shapes import Data, fits_as_built, output_shape
from lamina.data.targets import checked_targets, checked_weights, read_targets, read_weights, require_outputs
from lamina.errors import ArgumentError, DataError, LaminaError, ShapeError

__all__ = ["checked_for", "named", "read_data", "read_tuple", "require_tuple"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


@contextmanager
def named(what: str) -> Iterator[None]:
    """Put the name of what is being looked at in front of an error's message."""
    try:
        yield
    except LaminaError as error:
        raise type(error)(f"{what}: {error}") from error


def read_data(
    model: Layer,
    x: Any,
    y: Any = None,
    lengths: Any = None,
    sample_weight: Any = None,
    *,
    mask: Any = None,
    has_target: bool = True,
    outputs: tuple[str, ...] = (),
) -> Data:
    """Return data as host arrays, with everything checked for which the model need not be built.

    Parameters
    ----------
    model : Layer
    x : array-like, list of sequences, or tuple of them for several inputs
    y : array-like or list of sequences
        A tuple of them, or a dict by name, where there are several outputs.
    lengths : (batch,) integers, or a tuple of one such, or None, for each input, optional
    sample_weight, mask : (batch,) or (batch, time), optional
        See `read_weights`.
    has_target : bool
        Whether ``y`` is to be read.
    outputs : tuple of str
        The outputs' names, where there are several.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
    """
    several = isinstance(x, tuple)
    names = [f"x[{index}]" for index in range(len(x))] if several else ["x"]
    if not names:
        raise DataError("x: expected at least one input, got an empty tuple")
    read = [read_array(name, value) for name, value in zip(names, x if several else (x,), strict=True)]
    inputs: tuple[NumpyArray, ...]
    followed: tuple[Lengths | None, ...]
    inputs, followed = zip(*read, strict=True)
    ragged = False
    for index, (name, (array, own)) in enumerate(zip(names, read, strict=True)):
        integers = array.dtype.kind in "iu" and model.reads_integers(index)
        if array.ndim < (1 if integers else 2):
            wanted = "(batch, time)" if integers else "(batch, features) or (batch, time, features)"
            raise ShapeError(f"{name}: expected {wanted}, got {array.shape}")
        if own is not None and array.ndim < (2 if integers else 3):
            raise ShapeError(f"{name}: expected sequences (time, features) in a list, got rows of unequal length")
        ragged = ragged or own is not None
        if not len(array):
            raise DataError(f"{name}: expected at least one row, got {array.shape}")
        if len(array) != len(inputs[0]):
            raise ShapeError(
                f"expected as many rows in all inputs, got {len(inputs[0])} in x[0], {len(array)} in {name}"
            )
    lengths = _read_lengths(model, names, inputs, lengths, followed)
    if not has_target:
        return Data(inputs, lengths=lengths, ragged=ragged)
    rows = len(inputs[0])
    target, target_lengths = read_targets(y, rows, outputs)
    weights = read_weights(sample_weight, mask, rows, outputs)
    return Data(inputs, target, lengths, target_lengths, ragged, weights)


def read_tuple(model: Layer, value: Any, outputs: tuple[str, ...] = ()) -> Data:
    """Return what one batch of a source holds, read as `read_data` does.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
    """
    return read_data(model, *require_tuple(value), outputs=outputs)


def require_tuple(value: Any) -> Sequence[Any]:
    """Return data and targets that come together, or raise `ArgumentError` where they are something else."""
    if not isinstance(value, (tuple, list)) or len(value) not in (2, 3, 4):
        got = f"{len(value)} values" if isinstance(value, (tuple, list)) else type(value).__name__
        raise ArgumentError(f"expected (x, y), (x, y, lengths) or (x, y, lengths, sample_weight), got {got}")
    return value


def checked_for(
    model: Layer, data: Data, goals: tuple[Goal, ...] = (), shape_of: Callable[[Data], Any] | None = None
) -> Data:
    """Return data in a built model's dtype, with everything checked that the model and the goals ask for.

    What is neither NaN nor infinite stays as it is, padding included; NaN or infinity in padding becomes 0, as
    0 times NaN would still be NaN in a gradient.

    Parameters
    ----------
    model : Layer
        Built.
    data : Data
    goals : tuple of Goal
        Whose targets they are to be; none where there are no targets to look at.
    shape_of : callable, optional
        Gives the outputs' shapes for data; `output_shape` if not given.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
    """
    count = len(data.inputs)
    if count != len(model.input_shapes):
        hint = ": a tuple is several inputs, a list is rows" if count > 1 else ""
        raise ShapeError(f"{model.label}: expected {len(model.input_shapes)} inputs, got {count}{hint}")
    for index, (array, shape) in enumerate(zip(data.inputs, model.input_shapes, strict=True)):
        model.check_input(index, array, shape)
    output: Any = ()
    if goals or not fits_as_built(model, data):
        output = output_shape(model, data) if shape_of is None else shape_of(data)
    names = [f"x[{index}]" for index in range(count)] if count > 1 else ["x"]
    each = zip(names, data.inputs, each_lengths(data.lengths, count), strict=True)
    inputs = tuple(
        [converted(model, name, array, own, model.reads_integers(i)) for i, (name, array, own) in enumerate(each)]
    )
    if not goals:
        return replace(data, inputs=inputs)
    lengths = lengths_after(model, data.lengths)
    require_outputs(goals, output)
    weights = checked_weights(model, goals, data.weights, output)
    target = checked_targets(model, goals, data.target, data.target_lengths, output, lengths, weights)
    return replace(data, inputs=inputs, target=target, target_lengths=None, weights=weights)


def _read_lengths(
    model: Layer, names: list[str], inputs: tuple[NumpyArray, ...], lengths: Any, followed: Sequence[Lengths | None]
) -> Any:
    """Return the lengths of all inputs: those given, or those that follow from lists of sequences."""
    if lengths is None:
        if len(inputs) == 1:
            return followed[0]
        return None if all(own is None for own in followed) else tuple(followed)
    axes = [2 if array.dtype.kind in "iu" and model.reads_integers(i) else 3 for i, array in enumerate(inputs)]
    timed = [array.ndim >= least for array, least in zip(inputs, axes, strict=True)]
    if any(timed) and not all(timed) and not isinstance(lengths, tuple):
        lengths = tuple(lengths if own else None for own in timed)  # of sequences beside what has no time axis
    without = [index for index, own in enumerate(lengths) if own is None] if isinstance(lengths, tuple) else []
    for index, (name, array, own) in enumerate(zip(names, inputs, followed, strict=True)):
        if own is not None:
            raise ArgumentError(f"lengths follow from {name}, a list of sequences: pass no others")
        if index in without:
            continue  # an input that has all its steps, or no time axis
        if not timed[index]:
            raise ShapeError(f"lengths: expected an {name} with a time axis, got {array.shape}")
    if not isinstance(lengths, tuple):
        lengths = as_host(lengths, "lengths")
    checked = input_lengths(lengths, inputs, "lengths")
    if isinstance(checked, tuple) and len(inputs) == 1:
        return checked[0]
    return checked
