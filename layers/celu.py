"""The continuously differentiable exponential linear unit."""

from __future__ import annotations

from typing import Any

from lamina.core.arguments import number
from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["CELU"]


@register
class CELU(Activation):
    """y = max(x, 0) + alpha (exp(min(x, 0) / alpha) - 1) (Barron, 2017): `ELU` whose slope at 0 is 1, for any alpha.

    Parameters
    ----------
    alpha : float
        Minus what y approaches at minus infinity.

    Raises
    ------
    ArgumentError
        If alpha is not a number above 0.

    Examples
    --------
    >>> layer = CELU(2.0)
    >>> layer.build((None, 3), dtype="float64")
    (None, 3)
    >>> layer([[-1000.0, -1.0, 3.0]]).round(4).tolist()
    [[-2.0, -0.7869, 3.0]]
    """

    kernel_name = "celu"

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = number("CELU", "alpha", alpha, above=0)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"alpha": self.alpha}
