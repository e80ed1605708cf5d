"""The tapes that train: they record calls of layers and operations, not operations on arrays, and run backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.backends import Array
from lamina.compose.operations import Operation
from lamina.compose.tape import Tape, Value
from lamina.core.layer import Layer

__all__ = ["Recording", "Streaming"]


class Recording(Tape):
    """Runs the layers forward, and records the calls, to run them backward."""

    def __init__(self, owner: Layer) -> None:
        super().__init__(owner)
        self.calls: list[tuple[Layer | Operation, Sequence[Value], Any, Any]] = []

    def run(self, layer: Layer, inputs: Sequence[Value], lengths: Any) -> tuple[Any, Any]:
        """Run the layer forward."""
        outputs: tuple[Any, Any]
        if len(inputs) == 1:
            outputs = layer.forward(inputs[0].content, lengths=lengths)
        else:
            outputs = layer.forward(*[value.content for value in inputs], lengths=lengths)
        return outputs

    def release(self, inputs: Sequence[Value]) -> None:
        """Let values hold the shapes of their arrays in place of them: layers alone say what is kept for backward."""
        for value in inputs:
            value.tape = None  # whose calls hold the value: nothing is to go round in circles
            if value.content is not None:
                value.content = value.content.shape
        for _, _, given, _ in self.calls:
            if type(given) is Value:
                given.tape, given.content = None, given.content.shape
            else:
                for value in given:
                    value.tape, value.content = None, value.content.shape

    def backward(self, unwanted: Sequence[Value] = ()) -> None:
        """Run all calls backward, dropping each as it is used.

        The values that ``compose`` gave hold their gradients in ``gradient``; then those that it took hold theirs.
        Where a value went to several layers, theirs add up.

        Parameters
        ----------
        unwanted : sequence of Value
            Those that get no gradient: a layer that takes no others is not asked for its inputs'.
        """
        backend, calls = self.owner.backend, self.calls
        dy: Any
        dx: Any
        while calls:
            called, taken, given, saved = calls.pop()
            if type(given) is Value:
                dy = given.gradient
                if dy is None:
                    continue  # nothing depends on this call
                given.gradient = None
            else:
                if all(value.gradient is None for value in given):
                    continue
                dy = tuple([self.gradient(value) for value in given])
            if isinstance(called, Operation):
                dx = called.gradients(backend, dy, saved)
            else:
                wanted = not unwanted or any(value not in unwanted for value in taken)
                dx = called.backward(dy, saved, input_gradient=wanted)
                if not isinstance(dx, tuple):
                    if len(taken) == 1:
                        if wanted and dx is not None:
                            value = taken[0]
                            value.gradient = dx if value.gradient is None else value.gradient + dx
                        continue
                    dx = (dx,)
            if len(dx) != len(taken):  # there is none for a state that was not given
                taken = [value for value in taken if value.content is not None]
            for value, gradient in zip(taken, dx, strict=True):
                if gradient is not None and value not in unwanted:
                    # Not in place: the array may be another layer's dy too.
                    value.gradient = gradient if value.gradient is None else value.gradient + gradient

    def gradient(self, value: Value) -> Array:
        """Return a value's gradient, zeros where nothing depends on it, and let go of it."""
        gradient, value.gradient = value.gradient, None
        if gradient is None:
            bound = self.owner.bound()
            gradient = bound.backend.zeros(value.content, bound.dtype_object)
        return gradient


class Streaming(Recording):
    """Runs the layers on the next steps of a stream, from the states before them; those after are kept in ``states``.

    Parameters
    ----------
    owner : Layer
    before : sequence of states or None
        One for each call; None at the start.
    training : bool
        Whether `Recording.backward` will run.
    """

    def __init__(self, owner: Layer, before: Sequence[Any] | None, training: bool) -> None:
        super().__init__(owner)
        self._before, self._training = before, training
        self.states: list[Any] = []

    def run(self, layer: Layer, inputs: Sequence[Value], lengths: Any) -> tuple[Any, Any]:
        """Run the layer on the next steps."""
        contents = [value.content for value in inputs]
        before = self._before[len(self.states)] if self._before else None
        outputs, after, saved = layer.stream(*contents, state=before, lengths=lengths, training=self._training)
        self.states.append(after)
        return outputs, saved
