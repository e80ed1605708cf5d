"""Functions with their gradients, and those that have a name, by which a model file can hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lamina.backends import Backend
from lamina.core.shapes import Shape
from lamina.core.signatures import Kind, parameters_of
from lamina.errors import ArgumentError, shown, unknown

__all__ = ["Function", "find_function", "name_of_function", "register_function"]


@dataclass(frozen=True)
class Function:
    """A function, and how its gradient is found.

    Attributes
    ----------
    function : callable
    gradient : callable or None
        Of the output's gradient and the inputs, to the inputs' gradients.
    derivative : callable or None
        Of the one input, element by element.
    shape : callable, tuple or None
        The output's shape.
    """

    function: Callable[..., Any]
    gradient: Callable[..., Any] | None = None
    derivative: Callable[..., Any] | None = None
    shape: Callable[..., Any] | tuple[int | None, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("function", "gradient", "derivative"):
            value = getattr(self, name)
            if not callable(value) and (name == "function" or value is not None):
                raise ArgumentError(f"Lambda: expected {name} to be a function, got {shown(value)}")
        if (self.gradient is None) == (self.derivative is None):
            got = "neither" if self.gradient is None else "both"
            raise ArgumentError(
                f"Lambda: expected gradient, of dy and the inputs, or derivative, element by element, got {got}"
            )
        if not (self.shape is None or callable(self.shape) or isinstance(self.shape, (tuple, list))):
            raise ArgumentError(
                f"Lambda: expected shape to be sizes after the batch or a function, got {shown(self.shape)}"
            )

    @property
    def takes_lengths(self) -> bool:
        """Whether the function has a parameter ``lengths``."""
        return _has(self.function, "lengths")

    def call(self, name: str, *arrays: Any, backend: Backend, lengths: Any) -> Any:
        """Return what one of the functions gives, with ``xp`` and ``lengths`` where it has parameters so called."""
        function = getattr(self, name)
        given = {"xp": backend.xp, "lengths": lengths}
        return function(*arrays, **{key: value for key, value in given.items() if _has(function, key)})

    def output_shape(self, *shapes: Shape) -> Any:
        """Return the output's shape for inputs of these shapes: by default the first one's."""
        if self.shape is None:
            return shapes[0]
        return self.shape(*shapes) if callable(self.shape) else (None, *self.shape)


_named: dict[str, Function] = {}


def register_function(name: str, function: Function) -> None:
    """Name a function.

    Raises
    ------
    ArgumentError
        If another function has the name. Defining the same again, as a notebook does, replaces it.
    """
    if not isinstance(name, str) or not name:
        raise ArgumentError(f"Lambda.register: expected a name, got {shown(name)}")
    known = _named.get(name)
    if known is not None and _place(known.function) != _place(function.function):
        raise ArgumentError(f"Lambda.register: the name {name!r} is taken by {'.'.join(_place(known.function))}")
    _named[name] = function


def find_function(name: str) -> Function:
    """Return the function of that name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if name not in _named:
        raise unknown("function of Lambda", name, tuple(sorted(_named)))
    return _named[name]


def name_of_function(function: Callable[..., Any]) -> str | None:
    """Return the name a function is registered under, or None."""
    return next((name for name, known in _named.items() if known.function is function), None)


def _place(function: Any) -> tuple[str, str]:
    return str(getattr(function, "__module__", "?")), str(getattr(function, "__qualname__", repr(function)))


def _has(function: Any, name: str) -> bool:
    try:
        found = parameters_of(function)
    except (TypeError, ValueError):  # some functions written in C say nothing of themselves
        return False
    return any(one.name == name and one.kind is not Kind.VAR_KEYWORD for one in found)
