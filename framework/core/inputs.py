"""The inputs of a layer: made arrays of its backend where it is called, and checked where it goes forward."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.core.record import Binding
from lamina.core.shapes import Shape
from lamina.core.tree import Tree
from lamina.errors import BackendError, DTypeError, ShapeError

__all__ = ["as_input", "check_inputs", "named_inputs"]


def named_inputs(names: tuple[str, ...], inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
    """Return the inputs with those after them that are given by name, which are taken out of the options."""
    missing = names[len(inputs) :]
    last = max((index for index, name in enumerate(missing) if name in options), default=-1)
    return (*inputs, *(options.pop(name, None) for name in missing[: last + 1]))


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
        try:
            value = np.asarray(value)
        except ValueError as error:
            raise ShapeError(
                f"{layer.label}: the input is no rectangular array; pad rows of unequal length with lamina.pad"
            ) from error
        if value.dtype.kind not in "fiub":
            raise DTypeError(f"{layer.label}: expected numbers, got an array of {value.dtype}")
        if value.dtype.kind in "iu" and layer.reads_integers(index):
            return bound.backend.asarray(value)
    elif bound.backend.is_integer(value) and layer.reads_integers(index):
        return value
    return bound.backend.asarray(value, bound.dtype)


def check_inputs(layer: Tree, inputs: tuple[Any, ...]) -> None:
    """Raise where the inputs of a layer's forward are not what it was built for.

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
            if layer.checks_inputs or len(given) != len(shape) or (shape[-1] or given[-1]) != given[-1]:
                layer.check_input(0, array, shape)
            return
    if len(inputs) < len(shapes):
        raise ShapeError(f"{layer.label}: expected {len(shapes)} inputs, got {len(inputs)}")
    for index, array in enumerate(inputs):
        if array is None and index >= len(shapes):
            continue  # an optional input, such as an initial state
        if type(array) is not bound.backend.array_type and not bound.backend.is_array(array):
            raise BackendError(
                f"{layer.label}: expected an array of backend {bound.backend.name!r}, got {type(array).__name__}"
            )
        if index < len(shapes):
            layer.check_input(index, array, shapes[index])
        if array.dtype != bound.dtype_object:
            _require_integers(layer, index, array, bound)


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
