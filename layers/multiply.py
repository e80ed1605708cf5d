"""The product of several inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.lengths import require_one_length
from lamina.core.registry import register
from lamina.core.shapes import Shape, require_alike

__all__ = ["Multiply"]


@register
class Multiply(Layer):
    """y = a b ..., element by element, of two or more inputs of one shape: a gate, say.

    Nothing is broadcast. The output's lengths are the first input's.

    Raises
    ------
    ShapeError
        If there is one input alone, or their shapes or lengths differ.

    Examples
    --------
    >>> layer = Multiply()
    >>> layer.build((None, 2), (None, 2))
    (None, 2)
    >>> layer([[1.0, 2.0]], [[3.0, 4.0]])
    array([[3., 8.]], dtype=float32)
    """

    def build(self, *shapes: Shape) -> Shape:
        """Return the one shape of all inputs."""
        return require_alike(self.label, shapes)

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state: each step is taken by itself."""
        return ()

    def forward(self, *inputs: Array, lengths: Any = None) -> tuple[Array, list[Array]]:
        """Return the product, of the inputs' shape."""
        require_alike(self.label, [x.shape for x in inputs])
        if lengths is not None:
            require_one_length(self.label, lengths, [x.shape[1] for x in inputs])
        return self._product(inputs), list(inputs)

    def backward(self, dy: Array, saved: list[Array]) -> tuple[Array, ...]:
        """Return, for each input, dy times the product of the others."""
        # Not the product of all divided by the one: that one may be 0.
        return tuple(dy * self._product(saved[:index] + saved[index + 1 :]) for index in range(len(saved)))

    def _product(self, arrays: Sequence[Array]) -> Array:
        y = arrays[0]
        for x in arrays[1:]:
            y = y * x
        return y
