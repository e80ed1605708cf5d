"""Negative log-likelihood of counts."""

from __future__ import annotations

import math
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import flag, number
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.elementwise import ElementwiseLoss
from lamina.losses.regression import NOT_NEGATIVE

__all__ = ["PoissonNegativeLogLikelihood"]


@register(aliases=("poisson", "poisson_nll", "poisson_nll_loss"))
class PoissonNegativeLogLikelihood(ElementwiseLoss):
    """The negative log-likelihood of counts, each drawn from a Poisson distribution whose rate is predicted.

        loss = sum_n m_n mean_c (exp(z_nc) - target_nc z_nc) / sum_n m_n

    where z is the prediction, the logarithm of the rate, and m_n is 0 past a row's end, the mask's value where there is
    one, and 1 elsewhere. The term log(target!), which no prediction changes, is left out unless asked for.

    Parameters
    ----------
    log_input : bool
        Whether predictions are logarithms of rates; if not, they are the rates r, and the loss is
        r - target log(r + epsilon). A rate below 0 counts as 0, and has no gradient.
    full : bool
        Whether Stirling's approximation of log(target!) is added for targets above 1.
    epsilon : float
        Above 0: keeps a rate of 0 from an infinite loss; not used with logarithms.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> round(PoissonNegativeLogLikelihood()(np.log([[2.0, 3.0]]), [[2, 1]]), 4)  # (2 - 2 log 2 + 3 - log 3) / 2
    1.2575
    """

    expected_targets = NOT_NEGATIVE

    def __init__(
        self, log_input: bool = True, full: bool = False, epsilon: float = 1e-8, *, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.log_input = flag(self, "log_input", log_input)
        self.full = flag(self, "full", full)
        self.epsilon = number(self, "epsilon", epsilon, above=0)

    def value(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return the rate less the target times its logarithm."""
        zero = xp.zeros_like(target)
        if self.log_input:
            # A count of 0 costs nothing beside the rate, however small its logarithm is: 0 * inf is NaN.
            terms = xp.exp(prediction) - target * xp.where(target == 0, zero, prediction)
        else:
            rate = xp.maximum(prediction, zero)
            terms = rate - target * xp.log(rate + self.epsilon)
        if not self.full:
            return terms
        several = xp.where(target > 1, target, xp.ones_like(target))
        logarithm = several * xp.log(several) - several + xp.log(2 * math.pi * several) / 2
        return terms + xp.where(target > 1, logarithm, zero)

    def derivative(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return exp(prediction) - target, or 1 - target / (prediction + epsilon) from rates."""
        if self.log_input:
            return xp.exp(prediction) - target
        zero = xp.zeros_like(target)
        slope = 1 - target / (xp.maximum(prediction, zero) + self.epsilon)
        return xp.where(prediction < 0, zero, slope)

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        numbers = self.log_input, self.full, self.epsilon
        self.lower_with(
            lowering, prediction, target, weights, kernel="poisson_negative_log_likelihood", numbers=numbers
        )
