"""Numbers times a number, plus a number."""

from __future__ import annotations

from lamina.backends import Array
from lamina.core.arguments import number
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Shape

__all__ = ["Rescaling"]


@register
class Rescaling(Layer):
    """y = scale x + offset, with numbers that are not trained.

    In a ``compose``, ``2 * a``, ``a + 1``, ``1 - a`` and ``-a`` are layers of this kind.

    Parameters
    ----------
    scale, offset : float

    Raises
    ------
    ArgumentError
        If one is not a finite number.

    Examples
    --------
    >>> layer = Rescaling(-1, offset=1)
    >>> layer.build((None, 2))
    (None, 2)
    >>> layer([[0.25, 3.0]])
    array([[ 0.75, -2.  ]], dtype=float32)
    """

    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        self.scale = number("Rescaling", "scale", scale)
        self.offset = number("Rescaling", "offset", offset)

    def build(self, shape: Shape) -> Shape:
        """Return the same shape."""
        return shape

    def forward(self, x: Array) -> tuple[Array, None]:
        """Return y of x's shape."""
        y = x if self.scale == 1 else x * self.scale
        return (y + self.offset if self.offset else y), None

    def backward(self, dy: Array, saved: None) -> Array:
        """Return dx = scale dy."""
        return dy if self.scale == 1 else dy * self.scale

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program."""
        return lowering.apply("rescaling", x, scale=self.scale, offset=self.offset)
