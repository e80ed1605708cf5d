"""What stands around every layer's and loss's forward and backward: inputs are checked, saved states used once.

`Layer` and `Loss` put these around the methods of a class when it is defined, so that none of them has to check.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from lamina.backends import Array
from lamina.core.inputs import check_inputs, named_inputs
from lamina.core.proven import proofs
from lamina.core.saved_state import SavedState
from lamina.core.shapes import input_lengths
from lamina.core.tree import Tree
from lamina.errors import ArgumentError, SavedStateError

__all__ = [
    "extends",
    "guarded_backward",
    "guarded_forward",
    "guarded_loss_backward",
    "guarded_loss_forward",
    "input_names",
    "takes",
]


class _Running(threading.local):
    """The parts, by their ids, whose forward or backward runs in this thread, of classes that extend another's.

    A call of one that is among them comes from its own class, by ``super()``: what it gives is a part of that call's.
    """

    def __init__(self) -> None:
        self.forward: set[int] = set()
        self.backward: set[int] = set()


_running = _Running()


def extends(cls: type, method: str, base: type) -> bool:
    """Tell whether several classes define a method, the base left out: one may then call another's by ``super()``."""
    return sum(method in vars(one) for one in cls.__mro__ if one is not base and issubclass(one, base)) > 1


def takes(function: Callable[..., Any], name: str) -> bool:
    """Tell whether a function has a parameter of that name."""
    return name in inspect.signature(function).parameters


def input_names(forward: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a forward's inputs; none of those it takes as ``*inputs``."""
    parameters = list(inspect.signature(forward).parameters.values())[1:]
    return tuple(own.name for own in parameters if own.kind is own.POSITIONAL_OR_KEYWORD and own.name != "lengths")


def guarded_forward(forward: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    """Wrap a layer's forward: inputs must fit what was built; the state comes back guarded, for one use."""
    parameters = inspect.signature(forward).parameters
    takes_lengths = "lengths" in parameters  # of one that does not, they are dropped
    needs_lengths = takes_lengths and parameters["lengths"].default is not None
    positional = [name for name, parameter in parameters.items() if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    place = positional.index("lengths") if "lengths" in positional else -1
    names = input_names(forward)

    @wraps(forward)
    def wrapper(self: Tree, *inputs: Any, lengths: Any = None, **options: Any) -> tuple[Any, Any]:
        if len(inputs) == place:  # lengths by position: self stands before the inputs
            inputs, lengths = inputs[:-1], inputs[-1]
        if options:
            inputs = named_inputs(names, inputs, options)
        outer, tracked = True, self.extends_forward
        if tracked:
            running, key = _running.forward, id(self)
            outer = key not in running
            running.add(key)
        try:
            check_inputs(self, inputs)
            if lengths is None or not takes_lengths:
                if needs_lengths:
                    options["lengths"] = None
                y, content = forward(self, *inputs, **options)
            else:
                with proofs:
                    options["lengths"] = input_lengths(lengths, inputs, self.label)
                    y, content = forward(self, *inputs, **options)
        finally:
            if tracked and outer:
                running.discard(key)
        return y, (SavedState(self, content, y) if outer else content)

    return wrapper


def guarded_backward(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a layer's backward: it gets the content of a state of its own, once.

    One that does not take ``input_gradient`` is as if it did: what it returns is dropped where it is not wanted.
    """
    takes_input_gradient = takes(backward, "input_gradient")

    @wraps(backward)
    def wrapper(self: Tree, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
        outer, tracked = True, self.extends_backward
        if tracked:
            running, key = _running.backward, id(self)
            outer = key not in running  # otherwise a subclass's backward has unpacked the state
            running.add(key)
        try:
            if outer:
                if not isinstance(saved, SavedState):
                    raise _no_state(self, saved)
                saved = saved.take(self, dy)
            if input_gradient:
                return backward(self, dy, saved)
            if takes_input_gradient:
                return backward(self, dy, saved, input_gradient=False)
            dx = backward(self, dy, saved)
            return (None,) * len(dx) if isinstance(dx, tuple) else None
        finally:
            if tracked and outer:
                running.discard(key)

    return wrapper


def guarded_loss_forward(forward: Callable[..., Any]) -> Callable[..., tuple[Array, Any]]:
    """Wrap a loss's forward: it refuses the lengths and mask that it does not take; the state comes back guarded."""
    parameters = inspect.signature(forward).parameters
    names = list(parameters)[3:]  # after self, prediction and target
    refused = [name for name in ("lengths", "mask") if name not in parameters]

    @wraps(forward)
    def wrapper(self: Any, prediction: Array, target: Any, *further: Any, **options: Any) -> tuple[Array, Any]:
        if further:
            options.update(zip(names, further, strict=False))
        for name in refused:
            if options.pop(name, None) is not None:
                raise ArgumentError(f"{self.label} takes no {name}: it cannot leave out steps")
        outer, tracked = True, self.extends_forward
        if tracked:
            running, key = _running.forward, id(self)
            outer = key not in running
            running.add(key)
        try:
            loss, content = forward(self, prediction, target, **options)
        finally:
            if tracked and outer:
                running.discard(key)
        return loss, (SavedState(self, content) if outer else content)

    return wrapper


def guarded_loss_backward(backward: Callable[..., Any]) -> Callable[..., Array]:
    """Wrap a loss's backward: it gets the content of a state of its own, once."""

    @wraps(backward)
    def wrapper(self: Any, saved: Any) -> Array:
        outer, tracked = True, self.extends_backward
        if tracked:
            running, key = _running.backward, id(self)
            outer = key not in running
            running.add(key)
        try:
            if outer:
                if not isinstance(saved, SavedState):
                    raise _no_state(self, saved)
                saved = saved.take(self)
            return backward(self, saved)
        finally:
            if tracked and outer:
                running.discard(key)

    return wrapper


def _no_state(part: Any, saved: Any) -> SavedStateError:
    return SavedStateError(f"{part.label}: expected the saved state of a forward call, got {type(saved).__name__}")
