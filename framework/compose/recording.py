"""The tapes that train: they record calls of layers and operations, not operations on arrays, and run backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.backends import Array, Backend
from lamina.compose.operations import Operation
from lamina.compose.tape import Tape, Value
from lamina.core.layer import Layer
from lamina.core.shapes import Lengths, as_tuple

__all__ = ["Recording", "Streaming"]


class Recording(Tape):
    """Runs the layers forward, and records the calls, to run them backward."""

    def __init__(self, owner: Layer) -> None:
        super().__init__(owner)
        # For each call: what was called, the values that it took and gave, the shapes of those given, what it saved.
        self._calls: list[tuple[Layer | Operation, list[int], list[int], list[Any], Any]] = []

    def run(self, layer: Layer, inputs: Sequence[Value], contents: list[Any], lengths: Lengths | None) -> Any:
        """Run the layer forward."""
        outputs, saved = layer.forward(*contents, lengths=lengths)
        self.record(layer, inputs, outputs, saved)
        return outputs

    def record(self, layer: Layer, inputs: Sequence[Value], outputs: Any, saved: Any) -> None:
        """Note a call, before its outputs become values."""
        each, first = as_tuple(outputs), self._values
        taken = [value.index for value in inputs if value.content is not None]  # a state that is not given is None
        self._calls.append((layer, taken, list(range(first, first + len(each))), [y.shape for y in each], saved))

    def join(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        """Return what an operation makes of values, and note it."""
        joined = super().join(operation, inputs)
        kept = operation.kept([value.content for value in inputs])
        taken = [value.index for value in inputs]
        self._calls.append((operation, taken, [joined.index], [joined.content.shape], kept))
        return joined

    def backward(
        self, backend: Backend, dtype: Any, gradients: dict[int, Array], unwanted: Sequence[int] = ()
    ) -> dict[int, Array]:
        """Run all calls backward, dropping each as it is used.

        Parameters
        ----------
        backend : Backend
        dtype : dtype of the gradients
        gradients : dict
            The gradients of the outputs by value index. Where a value went to several layers, theirs add up.
        unwanted : sequence of int
            Values that get no gradient: a layer that takes no others is not asked for its inputs'.

        Returns
        -------
        dict
            The gradients of all values that got one.
        """
        while self._calls:
            called, taken, given, shapes, saved = self._calls.pop()
            if not any(index in gradients for index in given):
                continue  # nothing depends on this call
            dy = [
                gradients.pop(index) if index in gradients else backend.zeros(shape, dtype)
                for index, shape in zip(given, shapes, strict=True)
            ]
            dx: Sequence[Array | None]
            if isinstance(called, Operation):
                dx = called.gradients(backend, dy[0], saved)
            else:
                wanted = any(index not in unwanted for index in taken)
                dx = as_tuple(called.backward(tuple(dy) if len(dy) > 1 else dy[0], saved, input_gradient=wanted))
            for index, gradient in zip(taken, dx, strict=True):
                if gradient is not None and index not in unwanted:
                    # Not in place: the array may be another layer's dy too.
                    gradients[index] = gradients[index] + gradient if index in gradients else gradient
        return gradients


class Streaming(Recording):
    """Runs the layers on the next steps of a stream, from the states before them; those after are kept in ``states``.

    Parameters
    ----------
    owner : Layer
    before : sequence of states or None
        One for each call; None at the start.
    training : bool
        Whether the calls are recorded.
    """

    def __init__(self, owner: Layer, before: Sequence[Any] | None, training: bool) -> None:
        super().__init__(owner)
        self._before, self._training = before, training
        self.states: list[Any] = []

    def run(self, layer: Layer, inputs: Sequence[Value], contents: list[Any], lengths: Lengths | None) -> Any:
        """Run the layer on the next steps."""
        before = self._before[len(self.states)] if self._before else None
        outputs, after, saved = layer.stream(*contents, state=before, lengths=lengths, training=self._training)
        self.states.append(after)
        if self._training:
            self.record(layer, inputs, outputs, saved)
        return outputs
