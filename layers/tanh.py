"""The hyperbolic tangent."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["Tanh"]


@register
class Tanh(Activation):
    """y = tanh(x)."""

    kernel_name = "tanh"
