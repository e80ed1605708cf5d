"""Mean absolute percentage error."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import number
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.elementwise import ElementwiseLoss

__all__ = ["MeanAbsolutePercentageError"]


@register(aliases=("mape",))
class MeanAbsolutePercentageError(ElementwiseLoss):
    """The absolute difference in percent of the target, averaged over features and over the rows, or steps, that count.

        loss = sum_n m_n mean_c 100 |prediction_nc - target_nc| / max(|target_nc|, epsilon) / sum_n m_n

    where m_n is 0 past a row's end, the mask's value where there is one, and 1 elsewhere. A target of 0 makes it
    huge: it is for targets away from 0.

    Parameters
    ----------
    epsilon : float
        The least size that a target counts as, above 0.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If epsilon is no finite number above 0.

    Examples
    --------
    >>> import numpy as np
    >>> MeanAbsolutePercentageError()(np.array([[1.0, 3.0]]), [[2.0, 4.0]])  # (50 + 25) / 2
    37.5
    """

    def __init__(self, epsilon: float = 1e-7, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.epsilon = number(self, "epsilon", epsilon, above=0)

    def value(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return the difference in percent of the target."""
        return 100 * (xp.abs(prediction - target) / self._sizes(xp, target))

    def derivative(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return the difference's sign, in percent of the target; at 0 it is taken as 0."""
        return 100 * (xp.sign(prediction - target) / self._sizes(xp, target))

    def _sizes(self, xp: Any, target: Array) -> Array:
        return xp.maximum(xp.abs(target), xp.full_like(target, self.epsilon))

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        self.lower_with(
            lowering, prediction, target, weights, kernel="mean_absolute_percentage_error", numbers=(self.epsilon,)
        )
