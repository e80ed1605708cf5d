"""The smooth rectifier."""

from __future__ import annotations

from typing import Any

from lamina.core.arguments import number
from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["Softplus"]


@register
class Softplus(Activation):
    """y = log(1 + exp(beta x)) / beta (Dugas et al., 2001): above 0 everywhere; its slope is sigmoid(beta x).

    It is computed as max(x, 0) + log(1 + exp(-beta |x|)) / beta, which neither overflows nor loses a tail.

    Parameters
    ----------
    beta : float
        The larger, the nearer to `ReLU`.

    Raises
    ------
    ArgumentError
        If beta is not a number above 0.

    Examples
    --------
    >>> layer = Softplus()
    >>> layer.build((None, 3), dtype="float64")
    (None, 3)
    >>> layer([[-1000.0, 0.0, 1000.0]]).round(4).tolist()
    [[0.0, 0.6931, 1000.0]]
    """

    kernel_name = "softplus"

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = number("Softplus", "beta", beta, above=0)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"beta": self.beta}
