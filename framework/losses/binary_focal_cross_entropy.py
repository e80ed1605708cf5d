"""Focal loss of yes or no, from logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.backends import Backend
from lamina.core.arguments import number
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.labels import as_weights, require_weights, weights_array
from lamina.losses.regression import FROM_0_TO_1, RegressionLoss

__all__ = ["BinaryFocalCrossEntropy"]


@register(aliases=("binary_focal", "binary_focal_loss", "sigmoid_focal_loss"))
class BinaryFocalCrossEntropy(RegressionLoss):
    """Sigmoid and cross-entropy in one, in which what is well predicted already counts less (Lin et al., 2017).

    For logits z, targets t from 0 to 1, s the sigmoid and class weights w,

        loss = sum_n m_n mean_c w_c (-a t (1 - s)^gamma log s - (1 - a) (1 - t) s^gamma log(1 - s)) / sum_n m_n

    where m_n is 0 past a row's end, the mask's value where there is one, and 1 elsewhere. With gamma = 0 and no alpha
    it is `BinaryCrossEntropy`.

    Parameters
    ----------
    gamma : float
        0 or more: how fast what is well predicted loses its weight.
    alpha : float, optional
        a, from 0 to 1: the weight of a yes, where a no has 1 - a. Both are 1 if not given.
    class_weight : sequence of float, optional
        w, of 0 or more: one for each output.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> round(BinaryFocalCrossEntropy()(np.array([[0.0]]), [[1]]), 4)  # log(2) / 4
    0.1733
    """

    kernel_name = "binary_focal_cross_entropy"
    takes_names = "two"
    expected_targets = FROM_0_TO_1

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float | None = None,
        class_weight: Sequence[float] | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.gamma = number(self, "gamma", gamma, least=0)
        self.alpha = None if alpha is None else number(self, "alpha", alpha, least=0, most=1)
        self.class_weight = as_weights(self, "class_weight", class_weight, "output")

    def kernel_arguments(self, backend: Backend, dtype: Any) -> tuple[Any, ...]:
        """Return the class weights, gamma and alpha."""
        return weights_array(backend, self.class_weight, dtype), self.gamma, self.alpha

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """Raise where a target's shape is not the prediction's, or the weights are not one for each output.

        Raises
        ------
        ShapeError
        """
        super().check_shapes(target, shape)
        require_weights(self, "class", self.class_weight, shape[-1])

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        if self.class_weight is not None and len(self.class_weight) != prediction.features:
            raise lowering.refuse(self, f"has {len(self.class_weight)} class weights")
        yes, no = (1.0, 1.0) if self.alpha is None else (self.alpha, 1 - self.alpha)
        numbers, arrays = (self.gamma, yes, no), (None, self.class_weight)
        self.lower_with(lowering, prediction, target, weights, numbers=numbers, arrays=arrays)
