"""Positions, for layers that know no order."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.registry import register
from lamina.core.shapes import Shape, show
from lamina.errors import ShapeError, StreamError

__all__ = ["PositionalEncoding"]


@register
class PositionalEncoding(Layer):
    """y = x + p, where p tells each step its position (Vaswani et al., 2017).

        p_t,2i = sin(t / 10000^(2i / features))    p_t,2i+1 = cos(t / 10000^(2i / features))

    Positions count from each row's first step, so padding has no part in it. Nothing is learned, and no size
    of the time axis is fixed.

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

    def stream_state(self, batch: int) -> None:
        """Refuse: which step of its row the next one is, nobody tells."""
        raise StreamError(f"{self.label}: cannot stream: it counts a row's steps from the first one it is given")

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return y of x's shape."""
        kernel = self.kernel
        y, content = kernel.forward(x)
        return y, (kernel, content)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx = dy."""
        kernel, content = saved
        return kernel.backward(dy, content)
