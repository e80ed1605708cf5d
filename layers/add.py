"""The sum of several inputs."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.lengths import require_one_length
from lamina.core.registry import register
from lamina.core.shapes import Shape, require_alike

__all__ = ["Add"]


@register
class Add(Layer):
    """y = a + b + ..., of two or more inputs of one shape.

    Nothing is broadcast. The output's lengths are the first input's.

    Raises
    ------
    ShapeError
        If there is one input alone, or their shapes or lengths differ.

    Examples
    --------
    >>> layer = Add()
    >>> layer.build((None, 2), (None, 2))
    (None, 2)
    >>> layer([[1.0, 2.0]], [[3.0, 4.0]])
    array([[4., 6.]], dtype=float32)
    """

    def build(self, *shapes: Shape) -> Shape:
        """Return the one shape of all inputs."""
        return require_alike(self.label, shapes)

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state: each step is taken by itself."""
        return ()

    def forward(self, *inputs: Array, lengths: Any = None) -> tuple[Array, int]:
        """Return the sum, of the inputs' shape."""
        require_alike(self.label, [x.shape for x in inputs])
        if lengths is not None:
            require_one_length(self.label, lengths, [x.shape[1] for x in inputs])
        y = inputs[0] + inputs[1]
        for x in inputs[2:]:
            y = y + x
        return y, len(inputs)

    def backward(self, dy: Array, saved: int) -> tuple[Array, ...]:
        """Return dy for each input."""
        return (dy,) * saved
