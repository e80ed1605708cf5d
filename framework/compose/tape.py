"""The tape of a `Composite`: it runs the layers that a ``compose`` calls, in one of several ways.

Each way is a kind of tape, which says in `Tape.run` what it does at a call of a layer: `Measuring` (lengths alone),
`Opening` (the states of a stream) and `Inferring` are here; `Building`, `Recording` (training) and `Streaming` are
files of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from lamina.compose.operations import Joined, Mean, Operation, Product, Sum
from lamina.core.layer import Layer
from lamina.core.shapes import Lengths
from lamina.errors import ArgumentError

__all__ = ["Inferring", "Measuring", "Opening", "Tape", "Value", "no_call"]

_ARITHMETIC = (
    "compose: values are combined where the tape sees it: by a layer, t(self.layer, a, b), or by t.add(a, b), "
    "t.multiply, t.average or t.concatenate"
)


class Value:
    """A place on the tape: what a layer gave, and what another may take. It has no arithmetic of its own."""

    __slots__ = ("content", "index", "lengths")

    def __init__(self, content: Any, lengths: Lengths | None, index: int) -> None:
        self.content = content  # an array; while building, a shape
        self.lengths = lengths
        self.index = index

    def _refuse(self, *_: Any) -> NoReturn:
        raise ArgumentError(_ARITHMETIC)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = __rmatmul__ = _refuse
    __truediv__ = __rtruediv__ = __neg__ = __pow__ = __getitem__ = _refuse


class Tape:
    """What is handed to ``compose`` as ``t``: ``t(layer, value, ...)`` calls a layer, and the methods join values.

    Parameters
    ----------
    owner : Layer
        The composite; only layers that are kept on it may be called.
    """

    def __init__(self, owner: Layer) -> None:
        self.owner = owner
        self._values = 0

    def value(self, content: Any, lengths: Lengths | None) -> Value:
        """Return a new place on the tape."""
        value = Value(content, lengths, self._values)
        self._values += 1
        return value

    def __call__(self, layer: Layer, *inputs: Value) -> Any:
        """Call a layer on values; return a value, or a tuple of them where it has several outputs.

        Each value carries its own lengths; a layer gets those of its first input. Of several outputs, those with
        a time axis get the layer's; a last state has none.
        """
        try:
            lengths, contents = inputs[0].lengths, [value.content for value in inputs]
        except (AttributeError, IndexError):
            raise no_call(layer, inputs) from None
        outputs = self.run(layer, inputs, contents, lengths)
        after = None if lengths is None else layer.output_lengths(lengths)
        if not isinstance(outputs, tuple):
            return self._given(self.value(outputs, after))
        built: Any = layer.output_shape
        own = [after if len(shape) > 2 else None for shape in built]
        return tuple(self._given(self.value(*each)) for each in zip(outputs, own, strict=True))

    def run(self, layer: Layer, inputs: Sequence[Value], contents: list[Any], lengths: Lengths | None) -> Any:
        """Return what a layer gives for what its inputs hold, a tuple where it has several outputs."""
        raise NotImplementedError

    def join(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        """Return what an operation makes of values; it has the lengths of the first."""
        contents, lengths = [value.content for value in inputs], [value.lengths for value in inputs]
        if any(own is not None for own in lengths):
            operation.check_lengths(self.owner.label, contents[0].ndim, lengths)
        return self.value(operation.run(self.owner.backend, contents), lengths[0])

    def add(self, *values: Value) -> Value:
        """Return the sum of values of one shape."""
        return self.join(Sum(), values)

    def multiply(self, *values: Value) -> Value:
        """Return the product of values of one shape, element by element."""
        return self.join(Product(), values)

    def average(self, *values: Value) -> Value:
        """Return the mean of values of one shape, element by element."""
        return self.join(Mean(), values)

    def concatenate(self, *values: Value, axis: int = -1) -> Value:
        """Return values side by side along an axis, not the batch's."""
        return self.join(Joined(axis), values)

    def _given(self, value: Value) -> Value:
        """Take note of a value that the layer at hand gave."""
        return value


class Measuring(Tape):
    """Computes nothing but the lengths of what a ``compose`` gives."""

    def run(self, layer: Layer, inputs: Sequence[Value], contents: list[Any], lengths: Lengths | None) -> Any:
        """Return None in place of each output."""
        shapes: Any = layer.output_shape or ()
        return (None,) * len(shapes) if shapes and isinstance(shapes[0], tuple) else None

    def join(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        """Return a value without content."""
        return self.value(None, inputs[0].lengths)


class Opening(Measuring):
    """Asks each layer for its state at the start of a stream of so many rows; they are kept in ``states``."""

    def __init__(self, owner: Layer, batch: int) -> None:
        super().__init__(owner)
        self._batch = batch
        self.states: list[Any] = []

    def run(self, layer: Layer, inputs: Sequence[Value], contents: list[Any], lengths: Lengths | None) -> Any:
        """Ask the layer."""
        self.states.append(layer.stream_state(self._batch))
        return super().run(layer, inputs, contents, lengths)

    def join(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        """Return a value without content, where the operation can be streamed."""
        shapes: Any = self.owner.output_shape
        operation.check_stream(self.owner.label, len(shapes[0] if isinstance(shapes[0], tuple) else shapes))
        return super().join(operation, inputs)


class Inferring(Tape):
    """Runs the layers, keeping nothing."""

    def run(self, layer: Layer, inputs: Sequence[Value], contents: list[Any], lengths: Lengths | None) -> Any:
        """Run the layer."""
        return layer.infer(*contents, lengths=lengths)


def no_call(layer: Any, inputs: Sequence[Any]) -> ArgumentError:
    """Return the error for a call that is none of a layer with values."""
    got = ", ".join(type(value).__name__ for value in (layer, *inputs))
    return ArgumentError(f"compose: expected t(layer, value, ...), got t({got})")
