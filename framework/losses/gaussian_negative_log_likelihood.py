"""Negative log-likelihood of numbers, with a variance of each."""

from __future__ import annotations

import math
from typing import Any

from lamina.backends import Backend
from lamina.core.arguments import flag, number
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.errors import ShapeError
from lamina.losses.regression import RegressionLoss

__all__ = ["GaussianNegativeLogLikelihood"]


@register(aliases=("gaussian_nll", "gaussian_nll_loss"))
class GaussianNegativeLogLikelihood(RegressionLoss):
    """The negative log-likelihood of numbers from a normal distribution, of which mean and variance are predicted.

        loss = sum_n m_n mean_c (log v_nc + (mean_nc - target_nc)^2 / v_nc) / 2 / sum_n m_n, v = exp(s) + epsilon

    For targets (batch, ..., k) the prediction is (batch, ..., 2k): the k means, and then the k logarithms s of the
    variances, so that any output of a Dense(2 * k) will do. m_n is 0 past a row's end, the mask's value where there is
    one, and 1 elsewhere (Nix and Weigend, 1994; epsilon as PyTorch has it, but added, so that the gradient is smooth).

    Parameters
    ----------
    full : bool
        Whether log(2 pi) / 2, which no prediction changes, is added for each target.
    epsilon : float
        The least variance, above 0: what keeps a mean that hits its target from an infinite gain.
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> loss = GaussianNegativeLogLikelihood()
    >>> round(loss(np.array([[1.0, 0.0]]), [[3.0]]), 4)  # mean 1, variance exp(0): (0 + 2^2 / 1) / 2
    2.0
    """

    kernel_name = "gaussian_negative_log_likelihood"

    def __init__(self, full: bool = False, epsilon: float = 1e-6, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = flag(self, "full", full)
        self.epsilon = number(self, "epsilon", epsilon, above=0)

    def kernel_arguments(self, backend: Backend, dtype: Any) -> tuple[Any, ...]:
        """Return epsilon, and what is added for each target."""
        return self.epsilon, math.log(2 * math.pi) / 2 if self.full else 0.0

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """Raise where predictions of ``shape`` are no means and logarithms of variances for the targets.

        Raises
        ------
        ShapeError
        """
        if len(shape) < 2 or shape[-1] % 2:
            raise ShapeError(
                f"{self.label}: expected predictions (batch, ..., 2 features), means and then logarithms of variances, "
                f"got {shape}"
            )
        wanted = (*shape[:-1], shape[-1] // 2)
        if target != wanted:
            raise ShapeError(
                f"{self.label}: expected targets of shape {wanted}, half the predictions' {shape}, which are means and "
                f"then logarithms of variances, got {target}"
            )

    def lower(self, lowering: Lowering, prediction: Value, target: Value, *weights: Value) -> None:
        """Add the kernel to a program."""
        constant = math.log(2 * math.pi) / 2 if self.full else 0.0
        self.lower_with(lowering, prediction, target, weights, epsilon=self.epsilon, constant=constant)
