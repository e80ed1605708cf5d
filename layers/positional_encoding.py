"""Positions, for layers that know no order."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape, no_steps, show
from lamina.errors import ShapeError

__all__ = ["PositionalEncoding"]


@register
class PositionalEncoding(Layer):
    """y = x + p, where p tells each step its position (Vaswani et al., 2017).

        p_t,2i = sin(t / 10000^(2i / features))    p_t,2i+1 = cos(t / 10000^(2i / features))

    Positions count from each row's first step, so padding has no part in it. Nothing is learned, and no size
    of the time axis is fixed. In a stream the state is the place of each row.

    Raises
    ------
    ShapeError
        If built for another rank, or for features of open size.

    Examples
    --------
    >>> layer = PositionalEncoding()
    >>> layer.build((None, None, 2))
    (None, None, 2)
    >>> layer([[[0.0, 0.0], [0.0, 0.0]]])[0].round(3).tolist()
    [[0.0, 1.0], [0.8410000205039978, 0.5400000214576721]]
    """

    kernel_name = "positional_encoding"

    def build(self, shape: Shape) -> Shape:
        """Return the same shape, (batch, time, features)."""
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected (batch, time, features), got {show(shape)}")
        self.size_of(shape, -1)
        return shape

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return y of x's shape."""
        kernel = self.kernel
        y, content = kernel.forward(x)
        return y, (kernel, content)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx = dy."""
        kernel, content = saved
        dx: Array = kernel.backward(dy, content)
        return dx

    def stream_state(self, batch: int) -> Lengths:
        """Return how many steps each row has had: 0, (batch,)."""
        return no_steps(batch)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Array, Lengths, Any]:
        """Return y of the next steps, which count on from each row's place."""
        (x,) = inputs
        before = self.stream_state(x.shape[0]) if state is None else state
        kernel = self.kernel
        y, content = kernel.forward(x, before)
        after = before + (x.shape[1] if lengths is None else lengths)
        return y, after, SavedState(self, (kernel, content), y) if training else None

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program."""
        return lowering.apply("positional_encoding", x)
