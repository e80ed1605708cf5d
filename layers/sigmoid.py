"""The logistic sigmoid."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["Sigmoid"]


@register
class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x))."""

    kernel_name = "sigmoid"
