"""The tape that builds: it holds shapes in place of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.compose.arithmetic import Derived, Spec
from lamina.compose.fed import build_fed, without_steps
from lamina.compose.operations import Operation
from lamina.compose.tape import Tape, Value
from lamina.core.layer import Layer
from lamina.core.shapes import as_tuple, show
from lamina.errors import ArgumentError, ShapeError

__all__ = ["Building"]


class Building(Tape):
    """Builds the layers in the order in which they are called; values hold shapes."""

    def __init__(self, owner: Layer) -> None:
        super().__init__(owner)
        self._below: list[Layer] = [owner, *owner.children().values()]  # as they are before anything is called
        self._known = set(map(id, self._below))
        self._integers: set[int] = set()  # by their ids, the values that go where integers may
        self._makers: dict[int, tuple[Layer, ...]] = {}  # the layers that each came through
        self._values: list[Value] = []  # kept, so that no later one can have an id again
        self._indexed: dict[int, tuple[Value, list[Layer]]] = {}  # what each is a part of, and by which layers

    def __call__(self, layer: Layer, *inputs: Value) -> Any:
        """Build a layer; return a value that holds the shape of its output, or a tuple of them."""
        if not isinstance(layer, Layer) or not inputs or not all(isinstance(value, Value) for value in inputs):
            got = ", ".join(type(value).__name__ for value in (layer, *inputs))
            several: list[Any] = [value for value in inputs if isinstance(value, tuple)]
            hints = [self._several(values) for values in several]
            raise ArgumentError(f"compose: expected t(layer, value, ...), got t({got}){''.join(hints[:1])}")
        if not self._knows(layer):
            owner = type(self.owner).__name__
            raise ArgumentError(f"compose: keep {type(layer).__name__} as an attribute, in {owner}.__init__")
        each = [self._makers.get(id(value), ()) for value in inputs]
        shapes: Any = build_fed(layer, [value.content for value in inputs], each)
        makers = each[0]
        for place, value in enumerate(inputs):
            if layer.reads_integers(place):
                self._note_integers(value)
        self._values += inputs
        if isinstance(shapes[0], tuple):
            return tuple([self._made(shape, (*makers, layer)) for shape in shapes])
        return self._made(shapes, (*makers, layer))

    def derive(self, spec: Spec, *inputs: Value) -> Any:
        """Make and build the layers of an operator or a slice; return a value with the shape of what they give."""
        derived: Derived = self.owner._derived  # type: ignore[attr-defined]
        layers = derived.make(self._place, spec, inputs[0].content)
        derived.name(self.owner)
        self._known.update(map(id, layers))
        self._place += 1
        given: Any = inputs
        for layer in layers:
            given = (self(layer, *given),)
        if spec.cls is None:
            self._indexed[id(given[0])] = inputs[0], layers
        return given[0]

    def join(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        """Return a value that holds the shape of what the operation gives."""
        values = [value for each in inputs for value in as_tuple(each)]
        if not values or not all(isinstance(value, Value) for value in values):
            got = ", ".join(type(value).__name__ for value in inputs)
            raise ArgumentError(f"compose: expected values, got ({got})")
        if len(values) != len(inputs):
            several: Any = next(each for each in inputs if isinstance(each, tuple))
            got, maker = ", ".join(show(value.content) for value in several), self._makers[id(several[0])][-1].label
            raise ShapeError(f"{self.owner.label}: expected layers with one output each, got {got} of {maker}")
        makers, shapes = [self._maker(value) for value in values], [value.content for value in values]
        try:
            return Value(operation.shape(self.owner.label, shapes, makers), None, self)
        except ShapeError as error:
            each = [without_steps(value.content, self._makers.get(id(value), ())) for value in values]
            hints = [hint for hint in each if hint]
            if not hints or max(map(len, shapes)) < 3:
                raise
            raise ShapeError(f"{error}: {hints[0]}") from error

    def may_be_integers(self, value: Value) -> bool:
        """Tell whether a layer that takes integers gets this value."""
        return id(value) in self._integers

    def _knows(self, layer: Layer) -> bool:
        """Tell whether a layer was there before; those deeper down are seldom called, and looked through but once."""
        if id(layer) not in self._known:
            self._known.update(id(one) for child in self._below[1:] for _, one in child.walk())
            self._below = self._below[:1]
        return id(layer) in self._known

    def _note_integers(self, value: Value) -> None:
        """Note that a value may be integers, and so what it is a part of, as in ``ids[:, 1:]``."""
        self._integers.add(id(value))
        if id(value) in self._indexed:
            whole, layers = self._indexed[id(value)]
            for layer in layers:
                layer.takes_integers = True  # type: ignore[misc]
            self._note_integers(whole)

    def _maker(self, value: Value) -> str:
        makers = self._makers.get(id(value))
        return makers[-1].label if makers else "the input"

    def _several(self, values: tuple[Any, ...]) -> str:
        """Return what to do with a layer's outputs that were given as one value."""
        maker = self._maker(values[0]) if values and isinstance(values[0], Value) else None
        return "" if maker is None else f": {maker} gives {len(values)} outputs, hand on one of them"

    def _made(self, shape: Any, makers: tuple[Layer, ...]) -> Value:
        value = Value(shape, None, self)
        self._makers[id(value)] = makers
        self._values.append(value)
        return value
