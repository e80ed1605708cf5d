"""The leaky rectified linear unit."""

from __future__ import annotations

from typing import Any

from lamina.core.arguments import number
from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["LeakyReLU"]


@register
class LeakyReLU(Activation):
    """y = x where x > 0, else slope x (Maas et al., 2013); at 0 the slope is the one below.

    Parameters
    ----------
    slope : float
        What negative values are multiplied by.

    Raises
    ------
    ArgumentError
        If the slope is not a finite number.
    """

    kernel_name = "leaky_relu"

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = number("LeakyReLU", "slope", slope)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"slope": self.slope}
