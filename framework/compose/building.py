"""The tape that builds: it holds shapes in place of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.compose.operations import Operation
from lamina.compose.tape import Tape, Value, no_call
from lamina.core.layer import Layer
from lamina.core.shapes import Lengths, as_tuple, show
from lamina.errors import ArgumentError, ShapeError

__all__ = ["Building"]


class Building(Tape):
    """Builds the layers in the order in which they are called; values hold shapes."""

    def __init__(self, owner: Layer) -> None:
        super().__init__(owner)
        self._known = {id(layer) for _, layer in owner.walk()}
        self._integers: set[int] = set()  # the values that go where integers may
        self._origins: dict[int, str] = {}
        self._maker = ""

    def run(self, layer: Layer, inputs: Sequence[Value], contents: list[Any], lengths: Lengths | None) -> Any:
        """Build the layer."""
        if not isinstance(layer, Layer) or not all(isinstance(value, Value) for value in inputs):
            raise no_call(layer, inputs)
        if id(layer) not in self._known:
            owner = type(self.owner).__name__
            raise ArgumentError(f"compose: keep {type(layer).__name__} as an attribute, in {owner}.__init__")
        shapes: Any = layer.build(*contents)
        self._integers.update(value.index for place, value in enumerate(inputs) if layer.reads_integers(place))
        self._maker = layer.label
        return shapes if isinstance(shapes[0], tuple) else _Single(shapes)

    def __call__(self, layer: Layer, *inputs: Value) -> Any:
        """Build a layer; return a value that holds the shape of its output, or a tuple of them."""
        if not inputs:
            raise no_call(layer, inputs)
        shapes = self.run(layer, inputs, [getattr(value, "content", None) for value in inputs], None)
        if isinstance(shapes, _Single):
            return self._given(self.value(shapes.shape, None))
        return tuple(self._given(self.value(shape, None)) for shape in shapes)

    def join(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        """Return a value that holds the shape of what the operation gives."""
        values = [value for each in inputs for value in as_tuple(each)]
        if not values or not all(isinstance(value, Value) for value in values):
            got = ", ".join(type(value).__name__ for value in inputs)
            raise ArgumentError(f"compose: expected values, got ({got})")
        if len(values) != len(inputs):  # a layer of several outputs among them
            several: Any = next(each for each in inputs if isinstance(each, tuple))
            got, maker = ", ".join(show(value.content) for value in several), self._origins[several[0].index]
            raise ShapeError(f"{self.owner.label}: expected layers with one output each, got {got} of {maker}")
        origins = [self._origins.get(value.index, "the input") for value in values]
        return self.value(operation.shape(self.owner.label, [value.content for value in values], origins), None)

    def may_be_integers(self, value: Value) -> bool:
        """Tell whether a layer that takes integers gets this value."""
        return value.index in self._integers

    def _given(self, value: Value) -> Value:
        self._origins[value.index] = self._maker
        return value


class _Single:
    """A shape, told apart from a tuple of shapes."""

    def __init__(self, shape: Any) -> None:
        self.shape = shape
