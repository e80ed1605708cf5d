"""One minus the cosine of two vectors."""

from __future__ import annotations

from typing import Any

from lamina.backends import Backend
from lamina.core.arguments import number
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.regression import RegressionLoss

__all__ = ["CosineSimilarity"]


@register
class CosineSimilarity(RegressionLoss):
    """One minus the cosine of the angle between prediction and target, averaged over the rows that count.

        loss = sum_n m_n (1 - p_n . t_n / (max(|p_n|, epsilon) max(|t_n|, epsilon))) / sum_n m_n

    over the last axis, where m_n is 0 past a row's end, the mask's value where there is one, and 1 elsewhere. It is
    0 where both point the same way, 2 where they point opposite ways. A target of zeros costs 1 and has no
    gradient; a prediction of zeros costs 1 too, and its gradient, -t / (|t| epsilon), is large.

    Parameters
    ----------
    epsilon : float
        The least a norm counts as, above 0.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If epsilon is no finite number above 0.

    Examples
    --------
    >>> import numpy as np
    >>> loss = CosineSimilarity()
    >>> loss(np.array([[2.0, 0.0], [3.0, 0.0]]), [[1.0, 0.0], [0.0, 1.0]])
    0.5
    """

    kernel_name = "cosine_similarity"

    def __init__(self, epsilon: float = 1e-8, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.epsilon = number("CosineSimilarity", "epsilon", epsilon, above=0)

    def kernel_arguments(self, backend: Backend, dtype: Any) -> tuple[Any, ...]:
        """Return epsilon."""
        return (self.epsilon,)

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        self.lower_with(lowering, prediction, target, weights, epsilon=self.epsilon)
