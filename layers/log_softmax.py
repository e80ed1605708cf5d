"""The logarithm of the softmax."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.axis_activation import AxisActivation

__all__ = ["LogSoftmax"]


@register
class LogSoftmax(AxisActivation):
    """y = x - log sum exp(x) over the last axis, or another: log-probabilities, exact where `Softmax` underflows.

    To train a classifier, use logits and `SoftmaxCrossEntropy`, which takes this logarithm itself.

    Parameters
    ----------
    axis : int
        Not 0, the batch. Over the time, 1, only valid steps count; past a row's end y is 0.

    Raises
    ------
    ArgumentError
        If the axis is not a whole number, or is 0.
    ShapeError
        If built for a shape without that axis.

    Examples
    --------
    >>> layer = LogSoftmax()
    >>> layer.build((None, 2))
    (None, 2)
    >>> layer([[0.0, -1000.0]]).tolist()
    [[0.0, -1000.0]]
    """

    kernel_name = "log_softmax"
