"""The product of several inputs."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.backends import Array
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.kinds.elementwise import Elementwise

__all__ = ["Multiply"]


@register
class Multiply(Elementwise):
    """y = a b ..., element by element, of two or more inputs of one shape: a gate, say.

    The output's lengths are the first input's. In a ``compose``, ``a * b`` is Multiply(broadcast=True).

    Parameters
    ----------
    broadcast : bool
        Whether (batch, features) multiplies every step of (batch, time, features), and features of size 1 every
        feature. Otherwise nothing is broadcast.

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

    def combine(self, arrays: Sequence[Array], lengths: Lengths | None) -> tuple[Array, list[Array]]:
        """Return the product."""
        return self._product(arrays), list(arrays)

    def gradients(self, dy: Array, saved: list[Array]) -> Sequence[Array]:
        """Return, for each input, dy times the product of the others."""
        # Not the product of all divided by the one: that one may be 0.
        return [dy * self._product(saved[:index] + saved[index + 1 :]) for index in range(len(saved))]

    def _product(self, arrays: Sequence[Array]) -> Array:
        y = arrays[0]
        for x in arrays[1:]:
            y = y * x
        return y

    def lower(self, lowering: Lowering, *values: Value) -> Value:
        """Add the kernel to a program."""
        return lowering.fold("multiply", values, self.broadcast)
