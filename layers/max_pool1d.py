"""The maximum of windows."""

from __future__ import annotations

from lamina.backends import Array
from lamina.backends.generic.windows import Windows
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.kinds.pooling import Pooling

__all__ = ["MaxPool1D"]


@register
class MaxPool1D(Pooling):
    """The maximum of each window's valid steps, 0 where it has none; the first of equal ones gets the gradient.

    Parameters
    ----------
    pool : int
        The number of steps in a window.
    stride : int, optional
        From one window to the next; ``pool`` if not given.
    padding : str, int or pair of int
        ``"valid"`` or ``"same"``. With ``"valid"`` only windows count that lie within the row: a row of n
        steps has floor((n - r) / stride) + 1 of them, where r = (pool - 1) dilation + 1. With ``"same"`` it has
        ceil(n / stride). A number p, or two, (p, q): windows reach p steps over the row's begin
        and q over its end, floor((n + p + q - r) / stride) + 1 of them; both are less than r.
    dilation : int
        From one step of a window to the next.
    ceil : bool
        Round the number of windows up: a last one, which the row's end cuts, counts too.

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

    With all of the padding before the row it streams, where its stride is 1:

    >>> import lamina
    >>> layer = MaxPool1D(2, 1, (1, 0))
    >>> layer.build((None, None, 1))
    (None, None, 1)
    >>> stream = lamina.Stream(layer)
    >>> [float(stream([[step]])[0, 0]) for step in (3.0, 1.0, 2.0)]
    [3.0, 3.0, 2.0]
    """

    kernel_name = "max_pool"

    def begun(self, x: Array, starts: Lengths, windows: Windows) -> tuple[Array, Array | None]:
        """Return x with -infinity before each row's first step."""
        return self.backend.set_before(x, starts, -float("inf")), None
