"""The sum of several inputs."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.backends import Array
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.kinds.elementwise import Elementwise

__all__ = ["Add"]


@register
class Add(Elementwise):
    """y = a + b + ..., of two or more inputs of one shape.

    The output's lengths are the first input's. In a ``compose``, ``a + b`` is Add(broadcast=True).

    Parameters
    ----------
    broadcast : bool
        Whether (batch, features) is added to every step of (batch, time, features), and features of size 1 to every
        feature. Otherwise nothing is broadcast.

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

    def combine(self, arrays: Sequence[Array], lengths: Lengths | None) -> tuple[Array, int]:
        """Return the sum."""
        y = arrays[0] + arrays[1]
        for x in arrays[2:]:
            y = y + x
        return y, len(arrays)

    def gradients(self, dy: Array, saved: int) -> Sequence[Array]:
        """Return dy for each input."""
        return (dy,) * saved

    def lower(self, lowering: Lowering, *values: Value) -> Value:
        """Add the kernel to a program."""
        return lowering.fold("add", values, self.broadcast)
