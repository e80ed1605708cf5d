"""The quotient of two inputs."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.backends import Array
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.kinds.elementwise import Elementwise, ones_past

__all__ = ["Divide"]


@register
class Divide(Elementwise):
    """y = a / b, element by element, of two inputs of one shape.

    Nothing is divided by the zeros past a row's end. The output's lengths are the first input's. In a ``compose``,
    ``a / b`` is Divide(broadcast=True).

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
    >>> layer = Divide()
    >>> layer.build((None, 2), (None, 2))
    (None, 2)
    >>> layer([[1.0, 3.0]], [[4.0, 2.0]])
    array([[0.25, 1.5 ]], dtype=float32)
    """

    pairs = True

    def combine(self, arrays: Sequence[Array], lengths: Lengths | None) -> tuple[Array, tuple[Array, Array]]:
        """Return the quotient."""
        a, b = arrays
        b = ones_past(self.backend, b, lengths)
        y = a / b
        return y, (y, b)

    def gradients(self, dy: Array, saved: tuple[Array, Array]) -> Sequence[Array]:
        """Return dy / b, and -dy y / b."""
        y, b = saved
        da = dy / b
        return da, -da * y

    def lower(self, lowering: Lowering, *values: Value) -> Value:
        """Add the kernel to a program."""
        return lowering.fold("divide", values, self.broadcast)
