"""The tape of a `Composite`: it runs the layers that a ``compose`` calls, in one of several ways.

Each way is a kind of tape, which says in `Tape.run` what it does at a call of a layer: `Measuring` (lengths alone),
`Opening` (the states of a stream) and `Inferring` are here; `Building`, `Recording` (training) and `Streaming` are
files of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.compose.arithmetic import Arithmetic, Derived, Spec
from lamina.compose.operations import Joined, Mean, Operation, Product, Sum
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after, require_one_length

__all__ = ["Inferring", "Measuring", "Opening", "Tape", "Value"]


class Value(Arithmetic):
    """A place on the tape: what a layer gave, and what another may take; it is added, multiplied, sliced as it is."""

    __slots__ = ("content", "gradient", "lengths", "tape")

    def __init__(self, content: Any, lengths: Any = None, tape: Any = None) -> None:
        self.content = content  # an array; while building, a shape
        self.lengths = lengths
        self.gradient: Any = None
        self.tape: Tape | None = tape  # while compose runs


_SUM, _PRODUCT, _MEAN, _SIDE_BY_SIDE = Sum(), Product(), Mean(), Joined()


class Tape:
    """What is handed to ``compose`` as ``t``: ``t(layer, value, ...)`` calls a layer, and the methods join values.

    Parameters
    ----------
    owner : Layer
        The composite; only layers that are kept on it may be called.

    Attributes
    ----------
    calls : list or None
        Where it records, for each call: what was called, the values that it took and gave, what it saved.
    """

    calls: list[tuple[Layer | Operation, Sequence[Value], Any, Any]] | None = None

    def __init__(self, owner: Layer) -> None:
        self.owner = owner
        self._place = 0  # of the next of what a compose does with operators

    def __call__(self, layer: Layer, *inputs: Value) -> Any:
        """Call a layer on values; return a value, or a tuple of them where it has several outputs.

        Each value carries its own lengths, and a layer gets those of all its inputs; a last state has none.
        """
        if len(inputs) == 1:
            lengths = inputs[0].lengths
        else:
            each = tuple([value.lengths for value in inputs])
            lengths = each if any(own is not None for own in each) else None
        outputs, saved = self.run(layer, inputs, lengths)
        after = lengths if lengths is None else lengths_after(layer, lengths)
        given: Any
        if isinstance(outputs, tuple):
            own = after if isinstance(after, tuple) else (after,) * len(outputs)
            given = tuple([Value(y, one, self) for y, one in zip(outputs, own, strict=True)])
        else:
            given = Value(outputs, after, self)
        if self.calls is not None:
            self.calls.append((layer, inputs, given, saved))
        return given

    def run(self, layer: Layer, inputs: Sequence[Value], lengths: Any) -> tuple[Any, Any]:
        """Return what a layer gives for what its inputs hold, a tuple of several outputs, and what it saves."""
        raise NotImplementedError

    def derive(self, spec: Spec, *inputs: Value) -> Any:
        """Return what an operator, or a slice, makes of values: by layers that were made for it when it was built."""
        derived: Derived = self.owner._derived  # type: ignore[attr-defined]
        layers = derived.layers(self.owner, self._place, spec)
        self._place += 1
        given = self(layers[0], *inputs)
        for layer in layers[1:]:
            given = self(layer, given)
        return given

    def join(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        """Return what an operation makes of values; it has the lengths of the first."""
        contents, lengths = [], None
        for value in inputs:
            contents.append(value.content)
            lengths = value.lengths if lengths is None else lengths
        if lengths is not None:
            lengths = self.lengths_of(operation, inputs, [x.shape[1] for x in contents], contents[0].ndim)
        given = Value(operation.run(self.owner.backend, contents), lengths, self)
        if self.calls is not None:
            self.calls.append((operation, inputs, given, operation.kept(contents)))
        return given

    def lengths_of(self, operation: Operation, inputs: Sequence[Value], sizes: Sequence[int], rank: int) -> Any:
        """Return the lengths that values joined have in common, or raise."""
        operation.check_lengths(self.owner.label, rank)
        return require_one_length(self.owner.label, tuple([value.lengths for value in inputs]), sizes)

    def add(self, *values: Value) -> Value:
        """Return the sum of values of one shape."""
        return self.join(_SUM, values)

    def multiply(self, *values: Value) -> Value:
        """Return the product of values of one shape, element by element."""
        return self.join(_PRODUCT, values)

    def average(self, *values: Value) -> Value:
        """Return the mean of values of one shape, element by element."""
        return self.join(_MEAN, values)

    def concatenate(self, *values: Value, axis: int = -1) -> Value:
        """Return values side by side along an axis, not the batch's."""
        return self.join(_SIDE_BY_SIDE if axis == -1 else Joined(axis), values)


class Measuring(Tape):
    """Computes nothing but the lengths of what a ``compose`` gives."""

    def run(self, layer: Layer, inputs: Sequence[Value], lengths: Any) -> tuple[Any, Any]:
        """Return None in place of each output."""
        shapes: Any = layer.output_shape or ()
        return ((None,) * len(shapes) if shapes and isinstance(shapes[0], tuple) else None), None

    def join(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        """Return a value without content."""
        return Value(None, next((value.lengths for value in inputs if value.lengths is not None), None), self)


class Opening(Measuring):
    """Asks each layer for its state at the start of a stream of so many rows; they are kept in ``states``."""

    def __init__(self, owner: Layer, batch: int) -> None:
        super().__init__(owner)
        self._batch = batch
        self.states: list[Any] = []

    def run(self, layer: Layer, inputs: Sequence[Value], lengths: Any) -> tuple[Any, Any]:
        """Ask the layer."""
        self.states.append(layer.stream_state(self._batch))
        return super().run(layer, inputs, lengths)

    def join(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        """Return a value without content, where the operation can be streamed."""
        shapes: Any = self.owner.output_shape
        operation.check_stream(self.owner.label, len(shapes[0] if isinstance(shapes[0], tuple) else shapes))
        return super().join(operation, inputs)


class Inferring(Tape):
    """Runs the layers, keeping nothing."""

    def run(self, layer: Layer, inputs: Sequence[Value], lengths: Any) -> tuple[Any, Any]:
        """Run the layer."""
        return layer.infer(*[value.content for value in inputs], lengths=lengths), None
