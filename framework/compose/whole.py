"""The tapes of a stream that is given some inputs whole: an encoder runs once, a decoder goes on step by step.

In such a stream an input, or an output, that is whole stands as None beside those that step, and the other way round
when it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from lamina.backends import Array
from lamina.compose.operations import Operation
from lamina.compose.tape import Tape, Value
from lamina.core.layer import Layer
from lamina.core.lengths import is_timed, zero_past_ends
from lamina.core.shapes import as_tuple
from lamina.core.steps import refuse_training
from lamina.errors import ArgumentError, StreamError

__all__ = ["begin_parts", "open_parts", "read_whole", "stream_parts"]

# Calls layers through a tape, on values, and returns a value or a tuple of them.
Compose: TypeAlias = Callable[[Tape, list[Value]], Any]


class Whole(Value):
    """A value that is whole from the start of a stream."""

    __slots__ = ()


class _Parts(Tape):
    """Tells calls apart by whether what they take is whole, comes step by step, or is some of both.

    Attributes
    ----------
    states : list
        One for each call; empty where all is whole.
    holds_whole : bool
        Whether what is whole is at hand, not what comes step by step.
    """

    holds_whole = True

    def __init__(self, owner: Layer) -> None:
        super().__init__(owner)
        self.states: list[Any] = []
        self._wholes: Any = False  # of what the latest call gave: a bool for each output, or one for all

    def __call__(self, layer: Layer, *inputs: Value) -> Any:
        """Call a layer; what it gives of whole values alone is whole."""
        given = super().__call__(layer, *inputs)
        values, wholes = as_tuple(given), self._wholes
        each = wholes if isinstance(wholes, tuple) else (wholes,) * len(values)
        marked = tuple([self._marked(value, whole) for value, whole in zip(values, each, strict=True)])
        return marked if isinstance(given, tuple) else marked[0]

    def run(self, layer: Layer, inputs: Sequence[Value], lengths: Any) -> tuple[Any, Any]:
        """Run what is whole; ask the layer for a state, or hand it its own, where not all is."""
        flags = tuple(isinstance(value, Whole) for value in inputs)
        if all(flags):
            outputs, state = self.whole(layer, inputs, lengths), ()
            self._wholes = True
        else:
            outputs, state, self._wholes = self.parts(layer, inputs, lengths, flags)
        self.states.append(state)
        return outputs, None

    def join(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        """Join values that are all whole, or all come step by step.

        Raises
        ------
        StreamError
            If some are of one kind, some of the other.
        """
        whole = isinstance(inputs[0], Whole)
        if any(isinstance(value, Whole) is not whole for value in inputs):
            raise StreamError(
                f"{self.owner.label}: cannot stream: it joins what is given whole with what comes step by step: "
                "take a layer, such as Add(broadcast=True)"
            )
        return self._marked(self.joined(operation, inputs, whole), whole)

    def whole(self, layer: Layer, inputs: Sequence[Value], lengths: Any) -> Any:
        """Return what a layer gives of whole values alone; None where they are not at hand."""
        return _nothing(layer)

    def parts(
        self, layer: Layer, inputs: Sequence[Value], lengths: Any, flags: tuple[bool, ...]
    ) -> tuple[Any, Any, Any]:
        """Return what a layer gives of steps, maybe beside whole values, its state, and which outputs are whole."""
        raise NotImplementedError

    def joined(self, operation: Operation, inputs: Sequence[Value], whole: bool) -> Value:
        """Return what is joined, without content where that is not at hand."""
        return Value(None, None, self)

    def _marked(self, value: Value, whole: bool) -> Value:
        """Return a value as one of its kind, without lengths where its content is not at hand."""
        lengths = value.lengths if whole is self.holds_whole else None
        return (Whole if whole else Value)(value.content, lengths, self)


class _Opening(_Parts):
    """Asks each layer for its state at the start of a stream of so many rows, before anything is given."""

    def __init__(self, owner: Layer, batch: int) -> None:
        super().__init__(owner)
        self._batch = batch

    def parts(
        self, layer: Layer, inputs: Sequence[Value], lengths: Any, flags: tuple[bool, ...]
    ) -> tuple[Any, Any, Any]:
        """Ask the layer."""
        if any(flags):
            wholes, state = layer.open_stream(self._batch, flags)
        else:
            wholes, state = False, layer.stream_state(self._batch)
        return _nothing(layer), state, wholes

    def joined(self, operation: Operation, inputs: Sequence[Value], whole: bool) -> Value:
        """Return a value without content, where the operation can be streamed."""
        if not whole:
            shapes: Any = self.owner.output_shape
            operation.check_stream(self.owner.label, len(shapes[0] if isinstance(shapes[0], tuple) else shapes))
        return super().joined(operation, inputs, whole)


class _Beginning(_Opening):
    """Runs what is whole, once, and keeps what the steps to come need of it."""

    def whole(self, layer: Layer, inputs: Sequence[Value], lengths: Any) -> Any:
        """Run the layer."""
        return layer.infer(*[value.content for value in inputs], lengths=lengths)

    def parts(
        self, layer: Layer, inputs: Sequence[Value], lengths: Any, flags: tuple[bool, ...]
    ) -> tuple[Any, Any, Any]:
        """Give the layer what is whole."""
        if not any(flags):
            return super().parts(layer, inputs, lengths, flags)
        outputs, state = layer.begin_stream(*[value.content for value in inputs], lengths=lengths)
        if outputs is None:
            return _nothing(layer), state, False
        return outputs, state, tuple(y is not None for y in as_tuple(outputs))

    def joined(self, operation: Operation, inputs: Sequence[Value], whole: bool) -> Value:
        """Join whole values."""
        return Tape.join(self, operation, inputs) if whole else super().joined(operation, inputs, whole)


class _Going(_Parts):
    """Runs the next steps, from the states before them."""

    holds_whole = False

    def __init__(self, owner: Layer, before: Sequence[Any]) -> None:
        super().__init__(owner)
        self._before = before

    def parts(
        self, layer: Layer, inputs: Sequence[Value], lengths: Any, flags: tuple[bool, ...]
    ) -> tuple[Any, Any, Any]:
        """Run the layer on the next steps."""
        contents = [value.content for value in inputs]
        outputs, after, _ = layer.stream(*contents, state=self._before[len(self.states)], lengths=lengths)
        return outputs, after, tuple(y is None for y in as_tuple(outputs))

    def joined(self, operation: Operation, inputs: Sequence[Value], whole: bool) -> Value:
        """Join the next steps."""
        return super().joined(operation, inputs, whole) if whole else Tape.join(self, operation, inputs)


def read_whole(model: Layer, whole: Any) -> tuple[bool, ...]:
    """Return of each input of a model whether it is given whole, by places or names.

    Raises
    ------
    ArgumentError
        If there is no such input, or all of them are whole.
    """
    names, count = model._input_names, len(model.input_shapes)
    found = [False] * count
    for one in whole if isinstance(whole, (tuple, list)) else (whole,):
        place = names.index(one) if isinstance(one, str) and one in names[:count] else one
        if isinstance(place, bool) or not isinstance(place, (int, np.integer)) or not 0 <= place < count:
            known = ", ".join([*map(repr, names[:count]), f"0 to {count - 1}"])
            raise ArgumentError(f"Stream: expected whole to name inputs of {model.label}: {known}, got {one!r}")
        found[int(place)] = True
    if count and all(found):
        raise ArgumentError(f"Stream: expected an input of {model.label} that comes step by step, all are whole")
    return tuple(found)


def open_parts(owner: Layer, compose: Compose, batch: int, whole: tuple[bool, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Return what a container's `Layer.open_stream` does.

    Parameters
    ----------
    owner : Layer
    compose : callable
        Calls the layers in it.
    batch : int
    whole : tuple of bool
    """
    tape = _Opening(owner, batch)
    outputs = compose(tape, [Whole(None) if own else Value(None) for own in whole])
    return tuple(isinstance(value, Whole) for value in as_tuple(outputs)), tuple(tape.states)


def begin_parts(owner: Layer, compose: Compose, inputs: Sequence[Any], lengths: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return what a container's `Layer.begin_stream` does."""
    batch = next(x.shape[0] for x in inputs if x is not None)
    tape = _Beginning(owner, batch)
    each = _for_each(owner, inputs, lengths)
    values = [Value(None) if x is None else Whole(x, own) for x, own in zip(inputs, each, strict=True)]
    outputs = compose(tape, values)
    ends = tuple(value.lengths if isinstance(value, Whole) else None for value in as_tuple(outputs))
    contents, _ = zero_past_ends(owner, _contents(outputs, True), ends)  # as after any call
    return contents, tuple(tape.states)


def stream_parts(
    owner: Layer, compose: Compose, inputs: Sequence[Any], state: Any, lengths: Any, training: bool
) -> tuple[Any, tuple[Any, ...], None]:
    """Return what a container's `Layer.stream` does where some inputs were given whole at the start."""
    refuse_training(owner, training)
    if state is None:
        raise StreamError(f"{owner.label}: expected the state that begin_stream gives, got None")
    tape = _Going(owner, state)
    each = _for_each(owner, inputs, lengths)
    values = [Whole(None) if x is None else Value(x, own) for x, own in zip(inputs, each, strict=True)]
    outputs = compose(tape, values)
    return _contents(outputs, False), tuple(tape.states), None


def _nothing(layer: Layer) -> Any:
    """Return None in place of each output."""
    shapes: Any = layer.output_shape
    return (None,) * len(shapes) if isinstance(shapes[0], tuple) else None


def _contents(outputs: Any, whole: bool) -> Any:
    """Return what values hold, None in place of those that are not whole, or that are."""
    found = tuple(value.content if isinstance(value, Whole) is whole else None for value in as_tuple(outputs))
    return found if isinstance(outputs, tuple) else found[0]


def _for_each(owner: Layer, inputs: Sequence[Array | None], lengths: Any) -> Sequence[Any]:
    """Return the lengths of each input; None of one that is not at hand, or has no time axis."""
    if isinstance(lengths, tuple):
        return lengths
    return [lengths if x is not None and is_timed(owner, index, x.ndim) else None for index, x in enumerate(inputs)]
