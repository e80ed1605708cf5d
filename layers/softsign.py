"""A squashing function with slow tails."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["Softsign"]


@register
class Softsign(Activation):
    """y = x / (1 + |x|) (Turian et al., 2009): from -1 to 1, as `Tanh`, but approached as 1 / x.

    Examples
    --------
    >>> layer = Softsign()
    >>> layer.build((None, 3), dtype="float64")
    (None, 3)
    >>> layer([[-3.0, 0.0, 1.0]]).round(4).tolist()
    [[-0.75, 0.0, 0.5]]
    """

    kernel_name = "softsign"
