"""The rectified linear unit."""

from __future__ import annotations

from lamina.activation import Activation
from lamina.registry import register

__all__ = ["ReLU"]


@register
class ReLU(Activation):
    """y = max(x, 0); the slope at 0 is taken as 0."""

    kernel_name = "relu"
