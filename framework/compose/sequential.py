"""Layers one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lamina.backends import Array
from lamina.compose.fed import build_fed
from lamina.compose.tape import Tape, Value
from lamina.compose.whole import begin_parts, open_parts, stream_parts
from lamina.core.additions import thread
from lamina.core.layer import Layer, require_layers
from lamina.core.lengths import lengths_after
from lamina.core.lowering import Lowering
from lamina.core.lowering import Value as Planned
from lamina.core.registry import register
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Shapes, as_tuple
from lamina.errors import ArgumentError

__all__ = ["Sequential"]


@register
class Sequential(Layer):
    """Layers one after another, each fed with the output of the one before.

    Where a layer has several outputs, the next one gets them all: ``SimpleRNN(8, return_state=True)`` hands
    its last state on as the next layer's initial state. Lengths are handed on as each layer changes them.

    Parameters
    ----------
    *layers : Layer
        Or one list of them. The same layer may stand in several places and shares its weights there.

    Raises
    ------
    ArgumentError
        If there is none, or one is not a layer.

    Examples
    --------
    >>> from lamina.layers import Dense, SimpleRNN
    >>> model = Sequential(SimpleRNN(8), Dense(3))
    >>> model.build((None, None, 2), seed=0)
    (None, 3)
    >>> [parameter.name for parameter in model.parameters()]
    ['0.w_x', '0.w_h', '0.b', '1.w', '1.b']
    """

    def __init__(self, *layers: Any) -> None:
        if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
            layers = tuple(layers[0])
        if not layers:
            raise ArgumentError("Sequential: expected at least one layer")
        self.layers = require_layers("Sequential", layers)

    def children(self) -> dict[str, Layer]:
        """Return the layers by position."""
        return {str(index): layer for index, layer in enumerate(self.layers)}

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Layer:
        return self.layers[index]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def reads_integers(self, index: int | None = None) -> bool:
        """Tell whether the first layer takes integers there."""
        return self.layers[0].reads_integers(index)

    # Models are built by users: typed so that backend, dtype and seed, which the interface takes, are known.
    def build(self, *shapes: Any, **options: Any) -> Shapes:
        """Build the layers in turn; return the last one's shape."""
        outputs: Any = shapes
        for index, layer in enumerate(self.layers):
            taken = outputs if isinstance(outputs[0], tuple) else (outputs,)
            outputs = build_fed(layer, taken, [self.layers[:index]] * len(taken))
        built: Shapes = outputs
        return built

    def output_lengths(self, lengths: Any) -> Any:
        """Return the lengths as the layers change them in turn; a tuple for several outputs."""
        for layer in self.layers:
            lengths = lengths_after(layer, lengths) if layer.is_built else layer.output_lengths(lengths)
        return lengths

    def forward(self, *inputs: Array, lengths: Any = None) -> tuple[Any, list[Any]]:
        """Return the last layer's output."""
        outputs: Any = inputs
        states = []
        for layer in self.layers:
            if isinstance(outputs, tuple):
                outputs, saved = layer.forward(*outputs, lengths=lengths)
            else:
                outputs, saved = layer.forward(outputs, lengths=lengths)
            if lengths is not None:
                lengths = lengths_after(layer, lengths)
            states.append(saved)
        return outputs, states

    def backward(self, dy: Any, saved: list[Any], *, input_gradient: bool = True) -> Any:
        """Return the gradient of the first layer's input; each saved state is dropped as it is used."""
        first, *others = self.layers
        told = thread.adding.told
        for layer in reversed(others):
            dy = layer.backward(dy, saved.pop())
            if told is not None:
                told(layer)
        return first.backward(dy, saved.pop(), input_gradient=input_gradient)

    def infer(self, *inputs: Array, lengths: Any = None) -> Any:
        """Return the last layer's output, keeping nothing on the way."""
        outputs: Any = inputs
        for layer in self.layers:
            outputs = layer.infer(*as_tuple(outputs), lengths=lengths)
            lengths = lengths_after(layer, lengths)
        return outputs

    def stream_state(self, batch: int) -> tuple[Any, ...]:
        """Return the layers' states."""
        return tuple(layer.stream_state(batch) for layer in self.layers)

    def open_stream(self, batch: int, whole: tuple[bool, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Return which of the last layer's outputs are whole, and the layers' states."""
        return open_parts(self, self._chain, batch, whole)

    def begin_stream(self, *inputs: Array | None, lengths: Any = None) -> tuple[Any, tuple[Any, ...]]:
        """Return what of the last layer's output is whole, and the layers' states."""
        return begin_parts(self, self._chain, inputs, lengths)

    def _chain(self, tape: Tape, values: Sequence[Value]) -> Any:
        """Call the layers in turn, on values of a tape."""
        given: Any = tuple(values)
        for layer in self.layers:
            given = tape(layer, *as_tuple(given))
        return given

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Any = None, training: bool = False
    ) -> tuple[Any, tuple[Any, ...], Any]:
        """Return the last layer's output for the next steps."""
        if inputs[0] is None or (len(inputs) > 1 and any(x is None for x in inputs)):
            return stream_parts(self, self._chain, inputs, state, lengths, training)
        outputs: Any = inputs
        after, kept = [], []
        for layer, before in zip(self.layers, state or (None,) * len(self.layers), strict=True):
            outputs, own, saved = layer.stream(*as_tuple(outputs), state=before, lengths=lengths, training=training)
            lengths = lengths_after(layer, lengths)
            after.append(own)
            kept.append(saved)
        return outputs, tuple(after), SavedState(self, kept, outputs) if training else None

    def lower(self, lowering: Lowering, *values: Planned) -> Any:
        """Add what the layers do in turn to a program."""
        outputs: Any = values
        for layer in self.layers:
            outputs = lowering(layer, *as_tuple(outputs))
        return outputs

    def __repr__(self) -> str:
        lines = [f"  {index}: {layer!r}".replace("\n", "\n  ") for index, layer in enumerate(self.layers)]
        return "\n".join(["Sequential(", *lines, ")"])
