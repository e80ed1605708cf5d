"""The exponential linear unit."""

from __future__ import annotations

from typing import Any

from lamina.core.arguments import number
from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["ELU"]


@register
class ELU(Activation):
    """y = x where x > 0, else alpha (exp(x) - 1) (Clevert et al., 2016); at 0 the slope is alpha.

    Parameters
    ----------
    alpha : float
        Minus what y approaches at minus infinity.

    Raises
    ------
    ArgumentError
        If alpha is not a number above 0.
    """

    kernel_name = "elu"

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = number("ELU", "alpha", alpha, above=0)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"alpha": self.alpha}
