"""Swish with a sigmoid of straight pieces."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["HardSwish"]


@register
class HardSwish(Activation):
    """y = x min(max(x + 3, 0), 6) / 6 (Howard et al., 2019): `SiLU` with a `HardSigmoid`.

    Examples
    --------
    >>> layer = HardSwish()
    >>> layer.build((None, 3), dtype="float64")
    (None, 3)
    >>> layer([[-4.0, 1.5, 5.0]]).round(4).tolist()
    [[-0.0, 1.125, 5.0]]
    """

    kernel_name = "hard_swish"
