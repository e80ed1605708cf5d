"""The Huber loss."""

from __future__ import annotations

from typing import Any

from lamina.backends import Backend
from lamina.core.arguments import number
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.regression import RegressionLoss

__all__ = ["Huber"]


@register(aliases=("huber_loss", "smooth_l1_loss"))
class Huber(RegressionLoss):
    """Squared up to a difference of delta, linear past it: less moved by outliers than the squared error.

        loss = sum_n m_n mean_c h(prediction_nc - target_nc) / sum_n m_n
        h(d) = d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2)

    where m_n is 0 past a row's end, the mask's value where there is one, and 1 elsewhere (Huber, 1964).

    Parameters
    ----------
    delta : float
        Above 0.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If delta is no finite number above 0.

    Examples
    --------
    >>> import numpy as np
    >>> Huber()(np.array([[1.0, 2.0]]), [[0.0, 5.0]])  # (1/2 + 5/2) / 2
    1.5
    """

    kernel_name = "huber"

    def __init__(self, delta: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.delta = number("Huber", "delta", delta, above=0)

    def kernel_arguments(self, backend: Backend, dtype: Any) -> tuple[Any, ...]:
        """Return delta."""
        return (self.delta,)

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        self.lower_with(lowering, prediction, target, weights, numbers=(self.delta,))
