"""The softmax."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["Softmax"]


@register
class Softmax(Activation):
    """y = exp(x) / sum exp(x) over the last axis.

    To train a classifier, use logits and `SoftmaxCrossEntropy`, which stays exact where this one underflows.
    """

    kernel_name = "softmax"
