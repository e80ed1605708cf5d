"""The logarithm of the hyperbolic cosine."""

from __future__ import annotations

import math
from typing import Any

from lamina.backends import Array
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.losses.elementwise import ElementwiseLoss

__all__ = ["LogCosh"]


@register(aliases=("log_cosh_loss",))
class LogCosh(ElementwiseLoss):
    """The logarithm of the difference's hyperbolic cosine: d^2 / 2 for small ones, |d| - log 2 for large ones.

        loss = sum_n m_n mean_c log(cosh(prediction_nc - target_nc)) / sum_n m_n

    where m_n is 0 past a row's end, the mask's value where there is one, and 1 elsewhere. Its gradient is tanh(d);
    nothing overflows, however large d is.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Examples
    --------
    >>> import numpy as np
    >>> round(LogCosh()(np.array([[1.0, 2.0]]), [[0.0, 2.0]]), 4)  # log(cosh 1) / 2
    0.2169
    """

    def value(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return log(cosh(prediction - target))."""
        size = xp.abs(prediction - target)
        # Near 0 the difference of the second form would leave no digits: cosh d = 1 + 2 sinh(d / 2)^2.
        half = xp.sinh(xp.clip(size, 0, 1) / 2)
        return xp.where(size < 1, xp.log1p(2 * half * half), size + xp.log1p(xp.exp(-2 * size)) - math.log(2))

    def derivative(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return tanh(prediction - target)."""
        return xp.tanh(prediction - target)

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        self.lower_with(lowering, prediction, target, weights, kernel="log_cosh")
