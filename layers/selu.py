"""The scaled exponential linear unit."""

from __future__ import annotations

from typing import Any

from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["SELU"]

# For which a mean of 0 and a variance of 1 are a fixed point (Klambauer et al., 2017, equation 14).
_ALPHA, _SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@register
class SELU(Activation):
    """y = scale x where x > 0, else scale alpha (exp(x) - 1) (Klambauer et al., 2017).

    With alpha = 1.67326... and scale = 1.05070... outputs stay near mean 0 and variance 1 from layer to layer, where
    weights are drawn with mean 0 and variance 1 / features, as by ``Normal(features**-0.5)``. At 0 the slope is
    scale alpha.

    Examples
    --------
    >>> layer = SELU()
    >>> layer.build((None, 3), dtype="float64")
    (None, 3)
    >>> layer([[-1000.0, 0.0, 1.0]]).round(4).tolist()
    [[-1.7581, 0.0, 1.0507]]
    """

    kernel_name = "selu"

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"alpha": _ALPHA, "scale": _SCALE}
