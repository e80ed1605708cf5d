"""The difference of two inputs."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.backends import Array
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.kinds.elementwise import Elementwise

__all__ = ["Subtract"]


@register
class Subtract(Elementwise):
    """y = a - b, of two inputs of one shape.

    The output's lengths are the first input's. In a ``compose``, ``a - b`` is Subtract(broadcast=True).

    Parameters
    ----------
    broadcast : bool
        Whether (batch, features) is taken for every step of (batch, time, features), and features of size 1 for
        every feature. Otherwise nothing is broadcast.

    Raises
    ------
    ShapeError
        If there are not two inputs, or their shapes or lengths differ.

    Examples
    --------
    >>> layer = Subtract()
    >>> layer.build((None, 2), (None, 2))
    (None, 2)
    >>> layer([[1.0, 2.0]], [[3.0, 5.0]])
    array([[-2., -3.]], dtype=float32)
    """

    pairs = True

    def combine(self, arrays: Sequence[Array], lengths: Lengths | None) -> tuple[Array, None]:
        """Return the difference."""
        a, b = arrays
        return a - b, None

    def gradients(self, dy: Array, saved: None) -> Sequence[Array]:
        """Return dy and -dy."""
        return dy, -dy

    def lower(self, lowering: Lowering, *values: Value) -> Value:
        """Add the kernel to a program."""
        return lowering.fold("subtract", values, self.broadcast)
