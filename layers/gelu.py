"""The Gaussian error linear unit."""

from __future__ import annotations

from typing import Any

from lamina.core.arguments import one_of
from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["GELU"]

_APPROXIMATIONS = ("none", "tanh")


@register
class GELU(Activation):
    """y = x P(Z <= x) for a standard normal Z (Hendrycks & Gimpel, 2016).

    P(Z <= x) is (1 + erf(x / sqrt(2))) / 2. Backends need no erf: its polynomial here errs by less than 1e-15 in
    float64. With ``approximate="tanh"``,

        y = x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))

    which is off by up to 5e-4, and is what some published weights were trained with.

    Parameters
    ----------
    approximate : str
        ``"none"`` or ``"tanh"``.

    Raises
    ------
    UnknownNameError
        If approximate is not one of the two.
    """

    kernel_name = "gelu"

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = one_of(self, "approximate", approximate, _APPROXIMATIONS)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"approximate": self.approximate}
