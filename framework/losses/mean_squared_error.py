"""Mean squared error."""

from __future__ import annotations

from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.regression import RegressionLoss

__all__ = ["MeanSquaredError"]


@register(aliases=("mse", "mse_loss"))
class MeanSquaredError(RegressionLoss):
    """The squared difference, averaged over features and over the rows, or steps, that count.

        loss = sum_n m_n mean_c (prediction_nc - target_nc)^2 / sum_n m_n

    where m_n is 0 past a row's end, the mask's value where there is one, and 1 elsewhere.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Examples
    --------
    >>> import numpy as np
    >>> MeanSquaredError()(np.array([[1.0, 2.0]]), [[1.0, 4.0]])
    2.0
    """

    kernel_name = "mean_squared_error"

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        self.lower_with(lowering, prediction, target, weights)
