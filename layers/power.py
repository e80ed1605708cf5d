"""A power of each number."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import number
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape
from lamina.kinds.elementwise import ones_past

__all__ = ["Power"]


@register
class Power(Layer):
    """y = x^exponent, element by element.

    A power that is not a whole number is nothing (nan) for x below 0. What lies past a row's end is not raised to
    it. In a ``compose``, ``a ** 2`` and ``1 / a`` are layers of this kind.

    Parameters
    ----------
    exponent : float

    Raises
    ------
    ArgumentError
        If it is not a finite number.

    Examples
    --------
    >>> layer = Power(2)
    >>> layer.build((None, 2))
    (None, 2)
    >>> layer([[3.0, -0.5]])
    array([[9.  , 0.25]], dtype=float32)
    """

    def __init__(self, exponent: float) -> None:
        self.exponent = number("Power", "exponent", exponent)

    def build(self, shape: Shape) -> Shape:
        """Return the same shape."""
        return shape

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state: each step is taken by itself."""
        return ()

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return y of x's shape."""
        x = ones_past(self.backend, x, lengths)
        return x**self.exponent, x

    def backward(self, dy: Array, saved: Array) -> Array:
        """Return dx = exponent x^(exponent - 1) dy."""
        if self.exponent == 0:  # not 0 times infinity, where x is 0
            return self.backend.zeros(dy.shape, dy.dtype)
        return self.exponent * saved ** (self.exponent - 1) * dy

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program."""
        return lowering.apply("power", x, exponent=self.exponent)
