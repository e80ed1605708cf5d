"""The framework's record of a layer: one private place, which is read from the layer and never assigned to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar, overload

from lamina.backends import Backend
from lamina.core.parameter import Parameter
from lamina.core.shapes import Shape, Shapes
from lamina.errors import ArgumentError

__all__ = ["Binding", "Record", "Recorded", "read_only"]

T = TypeVar("T")


class Binding:
    """What building binds a layer to: a backend and a dtype."""

    __slots__ = ("array_type", "backend", "dtype", "dtype_object")

    def __init__(self, backend: Backend, dtype: str) -> None:
        self.backend = backend
        self.dtype = dtype
        self.dtype_object = backend.dtype(dtype)
        self.array_type = backend.array_type

    def __reduce__(self) -> tuple[Any, ...]:
        return Binding, (self.backend, self.dtype)


class Record:
    """What the framework notes of a layer.

    Attributes
    ----------
    path, binding, input_shapes, places, output_shape
        See `Layer`.
    simple : bool
        Whether it has one input and one output, and so one lengths array.
    untimed : bool
        Whether no output has a time axis.
    integers : dict
        Which inputs may be integers, once that was asked for.
    facts : dict
        What is worth keeping with the model (JSON).
    frozen : list of Parameter, or None
        Those that ``layer.trainable = False`` froze; None where it was not said.
    """

    def __init__(self) -> None:
        self.path = ""
        self.binding: Binding | None = None
        self.input_shapes: tuple[Shape, ...] = ()
        self.places: tuple[tuple[Shape, ...], ...] = ()
        self.output_shape: Shapes | None = None
        self.simple = self.untimed = False
        self.integers: dict[Any, bool] = {}
        self.facts: dict[str, Any] = {}
        self.frozen: list[Parameter] | None = None

    def fit(self, binding: Binding, shapes: tuple[Shape, ...], output: Any) -> None:
        """Note what a layer was first built on and for, and what it gives."""
        self.binding, self.integers = binding, {}
        self.input_shapes, self.output_shape, self.places = shapes, output, (shapes,)
        several = isinstance(output[0], tuple)
        self.simple = len(shapes) == 1 and not several
        self.untimed = all(len(shape) < 3 for shape in (output if several else (output,)))

    def copy(self) -> Record:
        """Return another record with the same notes."""
        other = Record()
        vars(other).update(vars(self))
        return other


def _refuse(owner: Any, name: str) -> NoReturn:
    raise ArgumentError(f"{type(owner).__name__}: the attribute {name!r} is the framework's own: take another name")


class Recorded(Generic[T]):
    """An entry of a layer's record, read from the layer; to assign to it is refused by name."""

    def __init__(self, text: str) -> None:
        self.__doc__ = text
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, layer: None, cls: type) -> Self: ...
    @overload
    def __get__(self, layer: Any, cls: type) -> T: ...
    def __get__(self, layer: Any, cls: type) -> Any:
        return self if layer is None else getattr(layer._record, self._name)

    def __set__(self, layer: Any, value: Any) -> None:
        _refuse(layer, self._name)


if TYPE_CHECKING:
    read_only = property
else:

    class read_only(property):
        """A property that says by name that it cannot be assigned to."""

        def __set__(self, owner, value):
            _refuse(owner, self.fget.__name__)
