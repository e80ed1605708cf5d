"""Focal loss of several classes, from logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.arguments import number
from lamina.core.host import as_lists
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.labels import LabelLoss, as_weights, require_probabilities

__all__ = ["SoftmaxFocalCrossEntropy"]


@register(aliases=("focal", "focal_loss", "categorical_focal_crossentropy"))
class SoftmaxFocalCrossEntropy(LabelLoss):
    """Softmax and cross-entropy in one, in which what is well predicted already counts less (Lin et al., 2017).

    For logits z, a target distribution q, p the softmax,

        loss = sum_n m_n sum_c -a_c q_nc (1 - p_nc)^gamma log p_nc / sum_n m_n

    where m_n is 0 for an ignored label or a step past its row's end, the mask's value where there is one, and 1
    elsewhere. With gamma = 0 and no alpha it is `SoftmaxCrossEntropy`.

    Parameters
    ----------
    gamma : float
        0 or more: how fast what is well predicted loses its weight.
    alpha : float or sequence of float, optional
        a, of 0 or more: one for all classes, or one for each, as class weights. The divisor takes no notice of it.
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> round(SoftmaxFocalCrossEntropy()(np.array([[0.0, 0.0]]), [1]), 4)  # log(2) / 4
    0.1733
    """

    kernel_name = "softmax_focal_cross_entropy"
    takes_probabilities = True

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float | Sequence[float] | None = None,
        ignore_index: int | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(ignore_index, reduction=reduction)
        self.gamma = number(self, "gamma", gamma, least=0)
        self.alpha: float | list[float] | None
        alpha = as_lists(alpha, "SoftmaxFocalCrossEntropy alpha")
        if alpha is None or np.ndim(alpha):
            self.alpha = self.class_weight = as_weights(self, "alpha", alpha)
        else:
            self.alpha = number(self, "alpha", alpha, least=0)

    def kernel_arguments(self) -> tuple[Any, ...]:
        """Return gamma, and alpha where it is one number."""
        return self.gamma, self.alpha if isinstance(self.alpha, float) else 1.0

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        gamma, alpha = self.kernel_arguments()
        self.lower_with(lowering, prediction, target, weights, gamma=gamma, alpha=alpha)

    def check_probabilities(self, target: Any, counted: Any) -> None:
        """Raise where a distribution that counts has a negative part, or does not sum to 1."""
        require_probabilities(self, target, counted)
