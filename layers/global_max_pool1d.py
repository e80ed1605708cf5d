"""The maximum of each row."""

from __future__ import annotations

from lamina.backends import Array
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.kinds.pooling import GlobalPooling

__all__ = ["GlobalMaxPool1D"]


@register
class GlobalMaxPool1D(GlobalPooling):
    """The maximum of each row's valid steps: (batch, time, features) becomes (batch, features).

    An empty row gives 0. The first of equal maxima gets the gradient.

    Raises
    ------
    ShapeError
        If built for another rank.

    Examples
    --------
    >>> layer = GlobalMaxPool1D()
    >>> layer.build((None, None, 1))
    (None, 1)
    >>> layer([[[1.0], [2.0], [3.0]]], lengths=[2]).tolist()
    [[2.0]]
    """

    kernel_name = "global_max_pool"

    def join(self, before: Array, counts: Lengths, y: Array, lengths: Lengths) -> tuple[Array, Array]:
        """Return the maxima of the steps before and of the next ones joined."""
        return self.backend.join_maxima(before, counts, y, lengths)
