"""The maximum of windows."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.pooling import Pooling

__all__ = ["MaxPool1D"]


@register
class MaxPool1D(Pooling):
    """The maximum of each window's valid steps; the first of equal ones gets the gradient.

    Parameters
    ----------
    pool : int
        The number of steps in a window.
    stride : int, optional
        From one window to the next; ``pool`` if not given.
    padding : str
        ``"valid"`` or ``"same"``. With ``"valid"`` only windows count that lie within the row: a row of n
        steps has floor((n - pool) / stride) + 1 of them. With ``"same"`` it has ceil(n / stride).

    Raises
    ------
    ArgumentError, UnknownNameError
        If a setting is none that is offered.
    ShapeError
        If built for another rank, or for fewer steps than one window needs.

    Examples
    --------
    >>> layer = MaxPool1D(2)
    >>> layer.build((None, None, 1))
    (None, None, 1)
    >>> layer([[[3.0], [1.0], [2.0], [4.0], [5.0]]])[0, :, 0].tolist()
    [3.0, 4.0]
    """

    kernel_name = "max_pool"
