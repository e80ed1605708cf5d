"""Negative log-likelihood of labels, from log-probabilities."""

from __future__ import annotations

from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.labels import LabelLoss

__all__ = ["NegativeLogLikelihood"]


@register(aliases=("nll", "nll_loss"))
class NegativeLogLikelihood(LabelLoss):
    """The negative log-probability of each label, averaged over the rows, or steps, that count.

    For log-probabilities l, as a LogSoftmax layer gives them, labels y and class weights w,

        loss = sum_n m_n -w_c l_nc / sum_n m_n, c = y_n

    where m_n is 0 for an ignored label or a step past its row's end, the mask's value where there is one, and 1
    elsewhere. As in `SoftmaxCrossEntropy`, the divisor counts steps, not class weights, and the loss is 0 where
    nothing counts. For a model that ends in logits, that loss does the same in one part.

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count.
    class_weight : sequence of float, optional
        One for each class.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> loss = NegativeLogLikelihood()
    >>> round(loss(np.log([[0.5, 0.5], [0.2, 0.8]]), [0, 1]), 4)
    0.4581
    """

    kernel_name = "negative_log_likelihood"
    scores = "log-probabilities"

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        self.lower_with(lowering, prediction, target, weights)
