"""Training data, read and checked on the host before anything changes: one typed line for what does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from lamina.core.calls import takes
from lamina.core.host import as_host
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.shapes import Lengths, as_lengths, input_lengths, show
from lamina.data.padding import as_arrays, pad_named
from lamina.data.shapes import Data, each_lengths, fits_as_built, output_shape
from lamina.errors import ArgumentError, DataError, DTypeError, LaminaError, ShapeError
from lamina.losses.loss import Loss
from lamina.metrics.metric import Metric

__all__ = ["checked_for", "named", "read_data", "read_validation"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]

# How many elements are looked at together for NaN: so that the answer takes no array of the data's own size.
_CHUNK = 2**22


@contextmanager
def named(what: str) -> Iterator[None]:
    """Put the name of what is being looked at in front of an error's message."""
    try:
        yield
    except LaminaError as error:
        raise type(error)(f"{what}: {error}") from error


def read_data(model: Layer, x: Any, y: Any = None, lengths: Any = None, *, has_target: bool = True) -> Data:
    """Return data as host arrays, with everything checked for which the model need not be built.

    Parameters
    ----------
    model : Layer
    x : array-like, list of sequences, or tuple of them for several inputs
    y : array-like or list of sequences
    lengths : (batch,) integers, or a tuple of one such, or None, for each input, optional
    has_target : bool
        Whether ``y`` is to be read.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
    """
    several = isinstance(x, tuple)
    names = [f"x[{index}]" for index in range(len(x))] if several else ["x"]
    if not names:
        raise DataError("x: expected at least one input, got an empty tuple")
    read = [_read_array(name, value) for name, value in zip(names, x if several else (x,), strict=True)]
    inputs = tuple(array for array, _ in read)
    for index, (name, (array, own)) in enumerate(zip(names, read, strict=True)):
        integers = array.dtype.kind in "iu" and model.reads_integers(index)
        if array.ndim < (1 if integers else 2):
            wanted = "(batch, time)" if integers else "(batch, features) or (batch, time, features)"
            raise ShapeError(f"{name}: expected {wanted}, got {array.shape}")
        if own is not None and array.ndim < (2 if integers else 3):
            raise ShapeError(f"{name}: expected sequences (time, features) in a list, got rows of unequal length")
        if not len(array):
            raise DataError(f"{name}: expected at least one row, got {array.shape}")
        if len(array) != len(inputs[0]):
            raise ShapeError(
                f"expected as many rows in all inputs, got {len(inputs[0])} in x[0], {len(array)} in {name}"
            )
    followed = [own for _, own in read]
    ragged = any(own is not None for own in followed)
    data = Data(inputs, lengths=_read_lengths(model, names, inputs, lengths, followed), ragged=ragged)
    if not has_target:
        return data
    target, target_lengths = _read_array("y", y)
    if target.ndim == 0:
        raise ShapeError("y: expected a target for each row of x, got a single value")
    if len(target) != data.rows:
        raise ShapeError(f"expected as many rows in x and y, got {data.rows} in x, {len(target)} in y")
    return replace(data, target=target, target_lengths=target_lengths)


def read_validation(model: Layer, value: Any) -> Data:
    """Return what ``validation_data`` holds, read as `read_data` does.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError
    """
    if not isinstance(value, (tuple, list)) or len(value) not in (2, 3):
        got = f"{len(value)} values" if isinstance(value, (tuple, list)) else type(value).__name__
        raise ArgumentError(f"expected (x, y) or (x, y, lengths), got {got}")
    return read_data(model, *value)


def checked_for(model: Layer, data: Data, loss: Loss | None = None, metrics: Iterable[Metric] = ()) -> Data:
    """Return data in a built model's dtype, with everything checked that the model, the loss and the metrics ask for.

    What is neither NaN nor infinite stays as it is, padding included; NaN or infinity in padding becomes 0, as
    0 times NaN would still be NaN in a gradient.

    Parameters
    ----------
    model : Layer
        Built.
    data : Data
    loss : Loss, optional
        Whose targets they are to be.
    metrics : iterable of Metric
        Whose targets they are to be too; with a loss alone.

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
    output: Any = output_shape(model, data) if loss is not None or not fits_as_built(model, data) else ()
    names = [f"x[{index}]" for index in range(count)] if count > 1 else ["x"]
    each = zip(names, data.inputs, each_lengths(data.lengths, count), strict=True)
    inputs = tuple(
        _converted(model, name, array, own, model.reads_integers(index))
        for index, (name, array, own) in enumerate(each)
    )
    data = replace(data, inputs=inputs)
    if loss is None:
        return data
    if isinstance(output[0], tuple):
        raise ShapeError(f"Trainer: expected a model with one output, got {len(output)}: {show(output)}")
    lengths = lengths_after(model, data.lengths)
    if lengths is not None and not takes(type(loss).forward, "lengths", anything=False):
        raise ArgumentError(f"{loss.label} takes no lengths: it cannot leave out steps")
    target = _padded_target(data, output, lengths, loss.target_padding)
    converted = _converted(model, "y", target, lengths, keep_integers=True)
    with np.errstate(invalid="ignore"):  # there may be infinity in the padding
        loss.check_target(target, output, lengths)
        for metric in metrics:
            metric.check_target(target, output, lengths)
    return replace(data, target=converted, target_lengths=None)


def _read_array(name: str, value: Any) -> tuple[NumpyArray, Lengths | None]:
    """Return a value as an array, and each row's length where it was a list of sequences of unequal length."""
    lengths = None
    if isinstance(value, list):
        arrays = as_arrays(value, name)
        if len({item.shape for item in arrays}) > 1:
            array, lengths = pad_named(arrays, None, None, name)
        else:
            array = np.asarray(arrays) if arrays else np.zeros((0, 0))
            if array.ndim > 1:
                lengths = np.full(len(array), array.shape[1], np.int64) if name == "y" else None
    else:
        array = as_host(value, name, f"{name}: expected a rectangular array or a list of sequences")
    if array.dtype.kind not in "fiub":
        hint = ": pass sequences of unequal length as a list" if array.dtype.kind == "O" and array.ndim else ""
        raise DTypeError(f"{name}: expected numbers, got an array of {array.dtype}{hint}")
    return array, lengths


def _read_lengths(
    model: Layer, names: list[str], inputs: tuple[NumpyArray, ...], lengths: Any, followed: list[Lengths | None]
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


def _converted(model: Layer, name: str, array: NumpyArray, lengths: Lengths | None, keep_integers: bool) -> NumpyArray:
    """Return an array in the model's dtype, finite everywhere; integers stay where they are meant."""
    if keep_integers and array.dtype.kind in "iu":
        return array
    with np.errstate(over="ignore"):
        result = array.astype(model.dtype, copy=False)
    step = max(1, _CHUNK // max(1, result[0].size))
    padded = False
    for start in range(0, len(result), step):
        wrong = ~np.isfinite(result[start : start + step])
        if not wrong.any():
            continue
        if lengths is not None:
            valid = np.arange(result.shape[1]) < lengths[start : start + step, None]
            wrong &= valid.reshape(valid.shape + (1,) * (wrong.ndim - 2))
        if not wrong.any():
            padded = True
            continue
        row, *rest = (int(i) for i in np.argwhere(wrong)[0])
        place = ", ".join(f"{axis} {i}" for axis, i in zip(_axes(result.ndim), (start + row, *rest), strict=True))
        raise DataError(f"{name}: expected finite {model.dtype}, got {array[(start + row, *rest)]} at {place}")
    return np.where(np.isfinite(result), result, np.zeros((), result.dtype)) if padded else result


def _axes(rank: int) -> list[str]:
    if rank < 3:
        return ["row", "feature"][:rank]
    return ["row", "step", *(f"axis {axis}" for axis in range(2, rank - 1)), "feature"]


def _padded_target(data: Data, output: tuple[int, ...], lengths: Lengths | None, padding: int | None) -> NumpyArray:
    """Return the targets, padded to the output's time axis where they came as a list of sequences.

    Where the loss has a ``padding`` of its own, they have no steps to match.
    """
    target, own = data.target, data.target_lengths
    assert target is not None
    if padding is not None:
        if own is None:
            return target
        inside = np.arange(target.shape[1]) < own[:, None]
        return np.where(inside, target, np.asarray(padding, target.dtype))
    if own is None or len(output) < 3 or own.min() == output[1]:
        return target
    time = output[1]
    wanted = as_lengths([time] * data.rows if lengths is None else lengths, data.rows, time, "y")
    differ = np.flatnonzero(own != wanted)
    if len(differ):
        row = int(differ[0])
        raise ShapeError(f"y: expected {wanted[row]} steps at row {row}, got {own[row]}")
    short = [(0, 0), (0, time - target.shape[1])] + [(0, 0)] * (target.ndim - 2)
    return np.pad(target, short) if target.shape[1] < time else target
