"""Mean squared logarithmic error."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.elementwise import ElementwiseLoss
from lamina.losses.regression import NOT_NEGATIVE

__all__ = ["MeanSquaredLogarithmicError"]


@register(aliases=("msle",))
class MeanSquaredLogarithmicError(ElementwiseLoss):
    """The squared difference of logarithms: for targets of 0 or more whose ratio to the prediction is what matters.

        loss = sum_n m_n mean_c (log(1 + max(prediction_nc, 0)) - log(1 + target_nc))^2 / sum_n m_n

    where m_n is 0 past a row's end, the mask's value where there is one, and 1 elsewhere. A prediction below 0 counts
    as 0 and has no gradient: end the model in a layer that gives none, such as Softplus.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Examples
    --------
    >>> import numpy as np
    >>> round(MeanSquaredLogarithmicError()(np.array([[np.e - 1, 5.0]]), [[0.0, 5.0]]), 12)
    0.5
    """

    expected_targets = NOT_NEGATIVE

    def value(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return the squared difference of the logarithms of 1 more."""
        difference = xp.log1p(self._from_zero(xp, prediction)) - xp.log1p(target)
        return difference * difference

    def derivative(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return 2 (log(1 + prediction) - log(1 + target)) / (1 + prediction), and 0 for predictions below 0."""
        positive = self._from_zero(xp, prediction)
        slope = 2 * (xp.log1p(positive) - xp.log1p(target)) / (1 + positive)
        return xp.where(prediction < 0, xp.zeros_like(slope), slope)

    def _from_zero(self, xp: Any, prediction: Array) -> Array:
        return xp.maximum(prediction, xp.zeros_like(prediction))

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        self.lower_with(lowering, prediction, target, weights, kernel="mean_squared_logarithmic_error")
