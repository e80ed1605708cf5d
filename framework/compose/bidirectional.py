"""A recurrent layer in both directions."""

from __future__ import annotations

import copy
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import one_of
from lamina.core.layer import Layer, require_layers
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape, Shapes, as_tuple, show
from lamina.errors import ArgumentError, ShapeError
from lamina.kinds.recurrent import RecurrentLayer

__all__ = ["Bidirectional"]

_MERGES = ("concat", "sum", "multiply", "average")


@register
class Bidirectional(Layer):
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

    def __init__(self, layer: RecurrentLayer, merge: str = "concat") -> None:
        require_layers("Bidirectional", [layer])
        if not isinstance(layer, RecurrentLayer):
            raise ArgumentError(f"Bidirectional: expected a recurrent layer, got {layer!r}")
        if any(below.is_built for _, below in layer.walk()):
            raise ArgumentError(f"Bidirectional: expected a layer that is not built, got {layer!r}")
        if layer.go_backwards:
            raise ArgumentError(f"Bidirectional: expected a layer that reads forwards, got {layer!r}")
        self.layer = layer
        self.merge = one_of(self, "merge", merge, _MERGES)
        # Copied, so that a cell among the settings is the twin's own.
        self.twin = type(layer)(**{**copy.deepcopy(layer.config()), "go_backwards": True})

    def children(self) -> dict[str, Layer]:
        """Return the layer and its twin by their directions."""
        return {"forward": self.layer, "backward": self.twin}

    def build(self, shape: Shape, *states: Shape) -> Shapes:
        """Build both for (batch, time, features), and optionally initial states (batch, size): forward's first."""
        sizes = self.layer.state_sizes
        expected = tuple((None, size) for size in (*sizes, *sizes))
        if states and states != expected:
            raise ShapeError(f"{self.label}: expected initial states {show(expected)}, got {show(states)}")
        output = self.layer.build(shape, *states[: len(sizes)])
        self.twin.build(shape, *states[len(sizes) :])
        y: Any = output[0] if self.layer.return_state else output
        if self.merge == "concat":
            y = (*y[:-1], 2 * y[-1])
        return (y, *expected) if self.layer.return_state else y

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return the lengths where the output has a time axis, else None."""
        return self.layer.output_lengths(lengths)

    def forward(self, x: Array, *states: Array | None, lengths: Lengths | None = None) -> tuple[Any, Any]:
        """Run in both directions.

        Parameters
        ----------
        x : (batch, time, features)
        *states : (batch, size), optional
            The initial states: forward's, then backward's; zeros if not given.
        lengths : (batch,) integers, optional

        Returns
        -------
        y : as the layer's, merged; with return_state, (y, *forward's states, *backward's states)
        saved : for `backward`
        """
        halves = self._halves(states)
        ahead, ahead_saved = self.layer.forward(x, *halves[0], lengths=lengths)
        back, back_saved = self.twin.forward(x, *halves[1], lengths=lengths)
        given = [any(state is not None for state in half) for half in halves]
        factors = (as_tuple(ahead)[0], as_tuple(back)[0]) if self.merge == "multiply" else None
        return self._join(ahead, back), ([ahead_saved, back_saved], factors, given)

    def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
        """Backpropagate in both directions.

        Parameters
        ----------
        dy : like y; a tuple (dy, dstate, ...) with return_state

        Returns
        -------
        dx : (batch, time, features), None without ``input_gradient``; (dx, dstate, ...) where initial states were given
        """
        saved_states, factors, given = saved
        count = len(self.layer.state_sizes)
        dstates: tuple[Any, ...] = ()
        if self.layer.return_state:
            dy, *rest = dy
            dstates = tuple(rest)
        parts: list[Any] = self._split(dy, factors)
        if dstates:
            parts = [(parts[0], *dstates[:count]), (parts[1], *dstates[count:])]
        back, *dback = as_tuple(self.twin.backward(parts[1], saved_states.pop(), input_gradient=input_gradient))
        ahead, *dahead = as_tuple(self.layer.backward(parts[0], saved_states.pop(), input_gradient=input_gradient))
        dx = ahead + back if input_gradient else None
        # A state that was not given has no gradient.
        return (dx, *(dahead or [None] * count), *(dback or [None] * count)) if any(given) else dx

    def infer(self, x: Array, *states: Array | None, lengths: Lengths | None = None) -> Any:
        """Return the merged outputs, keeping nothing."""
        ahead, back = self._halves(states)
        return self._join(self.layer.infer(x, *ahead, lengths=lengths), self.twin.infer(x, *back, lengths=lengths))

    def _halves(self, states: tuple[Array | None, ...]) -> tuple[tuple[Array | None, ...], tuple[Array | None, ...]]:
        """Return the initial states of each direction."""
        count = len(self.layer.state_sizes)
        if states and len(states) != 2 * count:
            raise ShapeError(f"{self.label}: expected {2 * count} initial states, got {len(states)}")
        return states[:count], states[count:]

    def _join(self, ahead: Any, back: Any) -> Any:
        """Return the outputs of both directions as one, and the states of both."""
        (a, *a_states), (b, *b_states) = as_tuple(ahead), as_tuple(back)
        if self.merge == "concat":
            y = self.backend.concatenate([a, b], -1)
        elif self.merge == "multiply":
            y = a * b
        else:
            y = a + b if self.merge == "sum" else (a + b) / 2
        return (y, *a_states, *b_states) if self.layer.return_state else y

    def _split(self, dy: Array, factors: Any) -> list[Array]:
        """Return the gradient of each direction's output."""
        if self.merge == "concat":
            return self.backend.split(dy, [dy.shape[-1] // 2] * 2, -1)
        if self.merge == "multiply":
            a, b = factors
            return [dy * b, dy * a]
        half = dy if self.merge == "sum" else dy / 2
        return [half, half]
