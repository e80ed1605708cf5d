"""The softmax."""

from __future__ import annotations

from lamina.activation import Activation
from lamina.registry import register

__all__ = ["Softmax"]


@register
class Softmax(Activation):
    """y = exp(x) / sum exp(x) over the last axis.

    To train a classifier, use logits and `SoftmaxCrossEntropy`, which stays exact where this one underflows.
    """

    kernel_name = "softmax"
