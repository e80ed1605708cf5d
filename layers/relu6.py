"""The rectified linear unit with a ceiling."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["ReLU6"]


@register
class ReLU6(Activation):
    """y = min(max(x, 0), 6) (Krizhevsky, 2010); at 0 and at 6 the slope is 0.

    Examples
    --------
    >>> layer = ReLU6()
    >>> layer.build((None, 3), dtype="float64")
    (None, 3)
    >>> layer([[-1.0, 2.5, 7.0]]).round(4).tolist()
    [[0.0, 2.5, 6.0]]
    """

    kernel_name = "relu6"
