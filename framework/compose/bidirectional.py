"""A recurrent layer in both directions."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from lamina.compose.composite import Composite
from lamina.compose.tape import Tape, Value
from lamina.core.arguments import one_of
from lamina.core.config import arguments_of, make
from lamina.core.layer import Layer, require_layers
from lamina.core.registry import register
from lamina.errors import ArgumentError, ShapeError, shown
from lamina.kinds.recurrent import RecurrentLayer

__all__ = ["Bidirectional"]

_MERGES = ("concat", "sum", "multiply", "average")


@register
class Bidirectional(Composite):
    """A recurrent layer and its twin, which reads each row from its last valid step to its first.

    Their outputs for the same step are merged (Schuster & Paliwal, 1997). The twin has the layer's settings
    and weights of its own.

    Parameters
    ----------
    layer : RecurrentLayer
        Reads forwards, and is not built. Its ``return_sequences`` and ``return_state`` hold for both.
    merge : str
        ``"concat"``, along the last axis, ``"sum"``, ``"multiply"`` or ``"average"``.

    Attributes
    ----------
    twin : RecurrentLayer
        The parameters' paths begin with ``forward.``, the layer's, and ``backward.``, the twin's.

    Raises
    ------
    ArgumentError
        If the layer is not recurrent, is built, or reads backwards already.
    UnknownNameError
        If the merge is none of the four.

    Examples
    --------
    >>> from lamina.layers import LSTM
    >>> layer = Bidirectional(LSTM(8, return_sequences=True))
    >>> layer.build((None, None, 3), seed=0)
    (None, None, 16)
    >>> list(layer.named_parameters())[2:4]
    ['forward.b', 'backward.w_x']
    """

    _copies = 2

    def __init__(self, layer: RecurrentLayer, merge: str = "concat") -> None:
        require_layers("Bidirectional", [layer])
        if not isinstance(layer, RecurrentLayer):
            raise ArgumentError(f"Bidirectional: expected a recurrent layer, got {shown(layer)}")
        if any(below.is_built for _, below in layer.walk()):
            raise ArgumentError(f"Bidirectional: expected a layer that is not built, got {shown(layer)}")
        if "go_backwards" not in arguments_of(type(layer)):
            raise ArgumentError(f"Bidirectional: expected a layer that takes go_backwards, got {shown(layer)}")
        if layer.go_backwards:
            raise ArgumentError(f"Bidirectional: expected a layer that reads forwards, got {shown(layer)}")
        self.layer = layer
        self.merge = one_of(self, "merge", merge, _MERGES)
        # Copied, so that a cell among the settings is the twin's own.
        self.twin = make(type(layer), {**copy.deepcopy(layer.config()), "go_backwards": True})

    def children(self) -> dict[str, Layer]:
        """Return the layer and its twin by their directions."""
        return {"forward": self.layer, "backward": self.twin}

    def compose(self, t: Tape, x: Value, *states: Value) -> Any:
        """Return the outputs of both directions merged; with return_state, their states behind.

        Parameters
        ----------
        x : (batch, time, features)
        *states : (batch, size), optional
            The initial states: forward's, then backward's; zeros if not given.
        """
        count = len(self.layer.state_sizes)
        if states and len(states) != 2 * count:
            raise ShapeError(f"{self.label}: expected {2 * count} initial states, got {len(states)}")
        ahead, back = t(self.layer, x, *states[:count]), t(self.twin, x, *states[count:])
        if not self.layer.return_state:
            return self._merged(t, ahead, back)
        return (self._merged(t, ahead[0], back[0]), *ahead[1:], *back[1:])

    def _merged(self, t: Tape, ahead: Value, back: Value) -> Value:
        if self.merge == "concat":
            return t.concatenate(ahead, back)
        if self.merge == "sum":
            return t.add(ahead, back)
        return t.multiply(ahead, back) if self.merge == "multiply" else t.average(ahead, back)

    def data_inputs(self, inputs: Sequence[Value]) -> Sequence[Value]:
        """Return x alone: initial states always get their gradient."""
        return inputs[:1]
