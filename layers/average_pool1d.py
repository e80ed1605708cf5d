"""The average of windows."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.backends.generic.windows import Windows
from lamina.core.arguments import flag
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.kinds.pooling import Pooling
from lamina.kinds.window import Padding, sides

__all__ = ["AveragePool1D"]


@register
class AveragePool1D(Pooling):
    """The average of each window's valid steps, 0 where it has none.

    Parameters
    ----------
    pool : int
        The number of steps in a window.
    stride : int, optional
        From one window to the next; ``pool`` if not given.
    padding : str, int or pair of int
        ``"valid"`` or ``"same"``. With ``"valid"`` only windows count that lie within the row: a row of n
        steps has floor((n - r) / stride) + 1 of them, where r = (pool - 1) dilation + 1. With ``"same"`` it has
        ceil(n / stride), and those over an edge are averages of fewer steps. A number p, or two, (p, q): windows
        reach p steps over the row's begin and q over its end, floor((n + p + q - r) / stride) + 1 of them; both are
        less than r.
    dilation : int
        From one step of a window to the next.
    ceil : bool
        Round the number of windows up: a last one, which the row's end cuts, counts too.
    count_padding : bool
        Whether a window is divided by the number of its steps, with those that stand before the row and past its end
        as padding, which are 0; otherwise by that of its valid ones.

    Raises
    ------
    ArgumentError, UnknownNameError
        If a setting is none that is offered.
    ShapeError
        If built for another rank, or for fewer steps than one window needs.

    Examples
    --------
    >>> layer = AveragePool1D(2, padding="same")
    >>> layer.build((None, None, 1))
    (None, None, 1)
    >>> layer([[[3.0], [1.0], [2.0], [4.0], [5.0]]], lengths=[3])[0, :, 0].tolist()
    [2.0, 2.0, 0.0]
    >>> layer = AveragePool1D(2, padding=(1, 0), ceil=True, count_padding=True)
    >>> layer.build((None, None, 1))
    (None, None, 1)
    >>> layer([[[3.0], [1.0], [2.0], [4.0], [5.0]]], lengths=[4])[0, :, 0].tolist()
    [1.5, 1.5, 4.0]
    """

    kernel_name = "average_pool"

    def __init__(
        self,
        pool: int,
        stride: int | None = None,
        padding: Padding = "valid",
        *,
        dilation: int = 1,
        ceil: bool = False,
        count_padding: bool = False,
    ) -> None:
        super().__init__(pool, stride, padding, dilation=dilation, ceil=ceil)
        self.count_padding = flag(self, "count_padding", count_padding)

    def kernel_options(self) -> dict[str, Any]:
        """Return how many steps past a row's end count, where any do."""
        return {"after": sides(self.padding, (self.pool - 1) * self.dilation + 1)[1]} if self.count_padding else {}

    def begun(self, x: Array, starts: Lengths, windows: Windows) -> tuple[Array, Array | None]:
        """Return x, and by what its averages grow where fewer steps have been than a window has."""
        if self.count_padding:
            return x, None
        backend, steps = self.backend, windows.inside(starts, x.shape[1]).clip(1)
        return x, backend.astype(backend.constant(windows.size / steps), x.dtype)[:, :, None]
