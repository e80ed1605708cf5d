"""A layer beside an identity."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer, require_layers
from lamina.core.registry import register
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape, show
from lamina.errors import ShapeError

__all__ = ["Residual"]


@register
class Residual(Layer):
    """y = x + inner(x) (He et al., 2016).

    Parameters
    ----------
    inner : Layer
        Its output must have its input's shape.

    Raises
    ------
    ShapeError
        When built, if it has not.
    """

    def __init__(self, inner: Layer) -> None:
        self.inner = require_layers("Residual", [inner])[0]

    def build(self, shape: Shape) -> Shape:
        """Build the inner layer; return the same shape."""
        output = self.inner.build(shape)
        if output != shape:
            raise ShapeError(
                f"{self.label}: expected {self.inner.label} to keep {show(shape)}, but it gives {show(output)}"
            )
        return shape

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return the inner layer's."""
        return self.inner.output_lengths(lengths)

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return x + inner(x), of x's shape."""
        y, saved = self.inner.forward(x, lengths=lengths)
        return x + y, saved

    def backward(self, dy: Array, saved: Any, *, input_gradient: bool = True) -> Array | None:
        """Return dx = dy + inner's dx."""
        dx = self.inner.backward(dy, saved, input_gradient=input_gradient)
        return dy + dx if input_gradient else None

    def infer(self, x: Array, lengths: Lengths | None = None) -> Array:
        """Return x + inner(x), keeping nothing."""
        return x + self.inner.infer(x, lengths=lengths)

    def stream_state(self, batch: int) -> Any:
        """Return the inner layer's state."""
        return self.inner.stream_state(batch)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Array, Any, Any]:
        """Return x + inner(x) for the next steps."""
        inner, after, saved = self.inner.stream(*inputs, state=state, lengths=lengths, training=training)
        y = inputs[0] + inner
        return y, after, SavedState(self, saved, y) if training else None
