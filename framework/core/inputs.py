"""The inputs of a layer: made arrays of its backend where it is called, and checked where it goes forward."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.core.host import as_host, refuse_masked
from lamina.core.proven import proofs
from lamina.core.record import Binding
from lamina.core.shapes import Shape
from lamina.core.tree import Tree
from lamina.errors import ArgumentError, BackendError, DTypeError, ShapeError

__all__ = ["as_input", "check_inputs", "named_inputs", "require_own", "split_lengths"]


def named_inputs(names: tuple[str, ...], inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
    """Return the inputs with those after them that are given by name, which are taken out of the options."""
    missing = names[len(inputs) :]
    last = max((index for index, name in enumerate(missing) if name in options), default=-1)
    return (*inputs, *(options.pop(name, None) for name in missing[: last + 1]))


def split_lengths(layer: Tree, inputs: tuple[Any, ...], lengths: Any) -> tuple[tuple[Any, ...], Any]:
    """Return a call's inputs without lengths that came by position behind them, and the lengths.

    Behind what a layer was built for may stand initial states, of two axes, and lengths, of one.

    Raises
    ------
    ArgumentError
        If lengths came by name too.
    """
    last = inputs[-1]
    if len(inputs) <= max(len(layer.input_shapes), 1) or last is None or not _are_lengths(last):
        return inputs, lengths
    if lengths is not None:
        raise ArgumentError(f"{layer.label}: got lengths twice, by position and by name")
    return inputs[:-1], last


def _are_lengths(value: Any) -> bool:
    """Tell whether a value behind the inputs is lengths: of one axis, or a tuple of such, or None, for each input."""
    if isinstance(value, tuple) and any(one is None or hasattr(one, "ndim") or isinstance(one, list) for one in value):
        return True
    try:
        return np.ndim(value if hasattr(value, "ndim") else as_host(value, "lengths")) == 1
    except (ValueError, TypeError):  # no rectangular array, or none that can be read
        return False


def as_input(layer: Tree, value: Any, index: int = 0) -> Array:
    """Return an input as an array of the model's backend and dtype; integers stay where they are meant.

    Raises
    ------
    ShapeError
        If it is no rectangular array.
    DTypeError
        If it holds no numbers.
    """
    bound = layer._record.binding or layer.bound()
    if type(value) is bound.backend.array_type and value.dtype == bound.dtype_object:
        return value  # there is nothing to convert
    if isinstance(value, np.ndarray) or not bound.backend.is_array(value):
        uneven = f"{layer.label}: the input is no rectangular array; pad rows of unequal length with lamina.pad"
        value = as_host(value, f"{layer.label} input {index}", uneven)
        if value.dtype.kind not in "fiub":
            raise DTypeError(f"{layer.label}: expected numbers, got an array of {value.dtype}")
        if value.dtype.kind in "iu" and layer.reads_integers(index):
            moved = bound.backend.asarray(value)
            proofs.note_host(moved, value)
            return moved
    elif bound.backend.is_integer(value) and layer.reads_integers(index):
        return value
    return bound.backend.asarray(value, bound.dtype)


def check_inputs(layer: Tree, inputs: tuple[Any, ...], partly: bool = False) -> None:
    """Raise where the inputs of a layer's forward are not what it was built for.

    Parameters
    ----------
    layer : Layer
    inputs : tuple of arrays
    partly : bool
        Whether one may be None, as in a stream that is given others whole.

    Raises
    ------
    NotBuiltError, ShapeError, DTypeError, BackendError
    """
    record = layer._record
    bound = record.binding or layer.bound()
    shapes = record.input_shapes if len(record.places) < 2 else _place(layer, inputs)
    if len(inputs) == 1 == len(shapes):
        (array,), (shape,) = inputs, shapes
        if type(array) is bound.array_type and array.dtype == bound.dtype_object:  # as nearly always
            given = array.shape
            if layer._checks_inputs or len(given) != len(shape) or (shape[-1] or given[-1]) != given[-1]:
                layer.check_input(0, array, shape)
            return
    if len(inputs) < len(shapes):
        raise ShapeError(f"{layer.label}: expected {len(shapes)} inputs, got {len(inputs)}")
    for index, array in enumerate(inputs):
        if array is None and (partly or index >= len(shapes)):
            continue  # an optional input, such as an initial state
        if type(array) is not bound.backend.array_type and not bound.backend.is_array(array):
            raise BackendError(
                f"{layer.label}: expected an array of backend {bound.backend.name!r}, got {type(array).__name__}"
            )
        if type(array) is not bound.backend.array_type:
            refuse_masked(f"{layer.label} input {index}", array)
        if index < len(shapes):
            layer.check_input(index, array, shapes[index])
        if array.dtype != bound.dtype_object:
            _require_integers(layer, index, array, bound)


def require_own(layer: Tree, values: Any, what: str) -> None:
    """Raise where values, an array or a tuple of them, as deep as it is, hold one of another backend, or a masked one.

    None is no array, and whole numbers on the host count steps.

    Raises
    ------
    BackendError, DataError
    """
    if isinstance(values, tuple):
        for one in values:
            require_own(layer, one, what)
        return
    bound = layer._record.binding or layer.bound()
    if type(values) is bound.array_type or not hasattr(values, "dtype"):
        return
    refuse_masked(f"{layer.label} {what}", values)
    if not bound.backend.is_array(values) and not (isinstance(values, np.ndarray) and values.dtype.kind in "iu"):
        got = type(values).__name__
        raise BackendError(f"{layer.label} {what}: expected an array of backend {bound.backend.name!r}, got {got}")


def _require_integers(layer: Tree, index: int, array: Array, bound: Binding) -> None:
    if not (layer.reads_integers(index) and bound.backend.is_integer(array)):
        raise DTypeError(
            f"{layer.label}: expected {bound.dtype}, got {array.dtype}: "
            "convert the input, or call the layer, which converts"
        )


def _place(layer: Tree, inputs: tuple[Any, ...]) -> tuple[Shape, ...]:
    """Return the shapes that the inputs fit, of a layer that stands in several places; the first if none fits."""
    for shapes in layer.places:
        arrays = [array for array in inputs if hasattr(array, "ndim")]
        if len(arrays) < len(shapes):
            continue
        try:
            for index, (array, shape) in enumerate(zip(arrays, shapes, strict=False)):
                layer.check_input(index, array, shape)
        except ShapeError:
            continue
        return shapes
    return layer.input_shapes
