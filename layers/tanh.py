"""The hyperbolic tangent."""

from __future__ import annotations

from lamina.activation import Activation
from lamina.registry import register

__all__ = ["Tanh"]


@register
class Tanh(Activation):
    """y = tanh(x)."""

    kernel_name = "tanh"
