"""The average of each row."""

from __future__ import annotations

from lamina.backends import Array
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.kinds.pooling import GlobalPooling

__all__ = ["GlobalAveragePool1D"]


@register
class GlobalAveragePool1D(GlobalPooling):
    """The average of each row's valid steps: (batch, time, features) becomes (batch, features).

    An empty row gives 0.

    Raises
    ------
    ShapeError
        If built for another rank.

    Examples
    --------
    >>> layer = GlobalAveragePool1D()
    >>> layer.build((None, None, 1))
    (None, 1)
    >>> layer([[[1.0], [2.0], [6.0]]], lengths=[2]).tolist()
    [[1.5]]
    """

    kernel_name = "global_average_pool"

    def join(self, before: Array, counts: Lengths, y: Array, lengths: Lengths) -> tuple[Array, Array]:
        """Return the averages of the steps before and of the next ones joined."""
        return self.backend.join_averages(before, counts, y, lengths)
