"""What the interface does around a layer's forward and backward: check inputs, and guard the saved state."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from lamina.errors import BackendError, DTypeError, SavedStateError, ShapeError
from lamina.saved import SavedState
from lamina.shapes import Shape, input_lengths

if TYPE_CHECKING:
    from lamina.layer import Layer

__all__ = ["checked_backward", "checked_forward", "input_names", "named_inputs", "takes"]


def takes(function: Callable[..., Any], name: str) -> bool:
    """Tell whether a function has a parameter of that name."""
    return name in inspect.signature(function).parameters


def input_names(forward: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a forward's inputs; none of those it takes as ``*inputs``."""
    parameters = list(inspect.signature(forward).parameters.values())[1:]
    return tuple(own.name for own in parameters if own.kind is own.POSITIONAL_OR_KEYWORD and own.name != "lengths")


def named_inputs(names: tuple[str, ...], inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
    """Return the inputs with those after them that are given by name, which are taken out of the options."""
    missing = names[len(inputs) :]
    last = max((index for index, name in enumerate(missing) if name in options), default=-1)
    return (*inputs, *(options.pop(name, None) for name in missing[: last + 1]))


def checked_forward(forward: Callable[..., Any]) -> Callable[..., tuple[Any, SavedState]]:
    """Wrap a layer's forward: inputs must fit what was built; the state comes back guarded, for one use."""
    parameters = inspect.signature(forward).parameters
    takes_lengths = "lengths" in parameters  # of one that does not, they are dropped
    positional = [name for name, parameter in parameters.items() if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    place = positional.index("lengths") if "lengths" in positional else -1
    names = input_names(forward)

    @wraps(forward)
    def wrapper(self: Layer, *inputs: Any, lengths: Any = None, **options: Any) -> tuple[Any, SavedState]:
        if len(inputs) == place:  # lengths by position: self stands before the inputs
            inputs, lengths = inputs[:-1], inputs[-1]
        if options:
            inputs = named_inputs(names, inputs, options)
        _check_inputs(self, inputs)
        if takes_lengths:
            options["lengths"] = None if lengths is None else input_lengths(lengths, inputs, self.label)
        y, content = forward(self, *inputs, **options)
        if type(self).forward is not wrapper:
            return y, content  # by super(): a subclass's forward makes this part of its own state
        return y, SavedState(self, content, y)

    return wrapper


def checked_backward(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a layer's backward: it gets the content of a state of its own, once.

    One that does not take ``input_gradient`` is as if it did: what it returns is dropped where it is not wanted.
    """
    takes_input_gradient = takes(backward, "input_gradient")

    @wraps(backward)
    def wrapper(self: Layer, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
        if type(self).backward is wrapper:
            if not isinstance(saved, SavedState):
                kind = type(saved).__name__
                raise SavedStateError(f"{self.label}: expected the saved state of a forward call, got {kind}")
            saved = saved.take(self, dy)
        # Otherwise called by super(): a subclass's backward has unpacked the state.
        if input_gradient:
            return backward(self, dy, saved)
        if takes_input_gradient:
            return backward(self, dy, saved, input_gradient=False)
        dx = backward(self, dy, saved)
        return (None,) * len(dx) if isinstance(dx, tuple) else None

    return wrapper


def _check_inputs(layer: Layer, inputs: tuple[Any, ...]) -> None:
    bound = layer.binding or layer.bound()
    shapes = layer.input_shapes if len(layer.places) < 2 else _place(layer, inputs)
    if len(inputs) < len(shapes):
        raise ShapeError(f"{layer.label}: expected {len(shapes)} inputs, got {len(inputs)}")
    for index, array in enumerate(inputs):
        if array is None and index >= len(shapes):
            continue  # an optional input, such as an initial state
        if not bound.backend.is_array(array):
            raise BackendError(
                f"{layer.label}: expected an array of backend {bound.backend.name!r}, got {type(array).__name__}"
            )
        if index < len(shapes):
            layer.check_input(index, array, shapes[index])
        if array.dtype != bound.dtype_object:
            integers = layer.reads_integers(index) and bound.backend.is_integer(array)
            if not integers:
                raise DTypeError(
                    f"{layer.label}: expected {bound.dtype}, got {array.dtype}: "
                    "convert the input, or call the layer, which converts"
                )


def _place(layer: Layer, inputs: tuple[Any, ...]) -> tuple[Shape, ...]:
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
