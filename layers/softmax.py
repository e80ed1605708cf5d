"""The softmax."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.axis_activation import AxisActivation

__all__ = ["Softmax"]


@register
class Softmax(AxisActivation):
    """y = exp(x) / sum exp(x) over the last axis, or another.

    To train a classifier, use logits and `SoftmaxCrossEntropy`, which stays exact where this one underflows.

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
    >>> layer = Softmax(axis=1)
    >>> layer.build((None, None, 1))
    (None, None, 1)
    >>> layer([[[3.0], [3.0], [3.0]]], lengths=[2]).tolist()
    [[[0.5], [0.5], [0.0]]]
    """

    kernel_name = "softmax"
