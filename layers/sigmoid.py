"""The logistic sigmoid."""

from __future__ import annotations

from lamina.activation import Activation
from lamina.registry import register

__all__ = ["Sigmoid"]


@register
class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x))."""

    kernel_name = "sigmoid"
