"""A smooth unit that is gated by itself."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["Mish"]


@register
class Mish(Activation):
    """y = x tanh(log(1 + exp(x))) (Misra, 2019).

    Examples
    --------
    >>> layer = Mish()
    >>> layer.build((None, 3), dtype="float64")
    (None, 3)
    >>> layer([[-1000.0, 1.0, 1000.0]]).round(4).tolist()
    [[-0.0, 0.8651, 1000.0]]
    """

    kernel_name = "mish"
