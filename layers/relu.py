"""The rectified linear unit."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["ReLU"]


@register
class ReLU(Activation):
    """y = max(x, 0); the slope at 0 is taken as 0."""

    kernel_name = "relu"
