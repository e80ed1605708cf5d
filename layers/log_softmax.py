"""The logarithm of the softmax."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["LogSoftmax"]


@register
class LogSoftmax(Activation):
    """y = x - log sum exp(x) over the last axis: log-probabilities, exact where `Softmax` underflows.

    To train a classifier, use logits and `SoftmaxCrossEntropy`, which takes this logarithm itself.
    """

    kernel_name = "log_softmax"
