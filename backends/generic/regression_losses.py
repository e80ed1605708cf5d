"""Generic kernels: losses of numbers that are more than one function of a prediction and its target."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.losses import LossKernels

__all__ = ["RegressionLossKernels"]


class RegressionLossKernels(LossKernels):
    """Losses over flattened rows, as `LossKernels` has them."""

    def elementwise_loss_forward(
        self,
        prediction: Array,
        target: Array,
        row_weight: Array,
        value: Callable[[Any, Array, Array], Array],
        derivative: Callable[[Any, Array, Array], Array],
        each: bool = False,
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n mean_c value(xp, prediction_nc, target_nc) over (rows, features).

        Parameters
        ----------
        prediction, target : (rows, features)
        row_weight : (rows,)
        value, derivative : callable
            Of (xp, prediction, target), element by element; the latter with respect to the prediction.
        each : whether to return each row's term
        """
        xp = self.xp
        # A row that does not count gets what lies within most functions' domains, and nothing of what comes of it.
        left_out = row_weight[:, None] == 0
        inside = self.full((), 0.5, prediction.dtype)
        prediction, target = (xp.where(left_out, inside, one) for one in (prediction, target))
        scale = row_weight / prediction.shape[-1]
        rows = xp.sum(value(xp, prediction, target), axis=-1)
        loss = self.total(xp.where(left_out[:, 0], self.zeros((), rows.dtype), rows) * scale, each)
        return loss, (prediction, target, left_out, scale, derivative)

    def elementwise_loss_backward(self, saved: Saved) -> Array:
        """Return d prediction = r_n derivative(prediction_nc, target_nc) / features."""
        prediction, target, left_out, scale, derivative = saved
        slope = derivative(self.xp, prediction, target)
        return self.xp.where(left_out, self.zeros((), slope.dtype), slope) * scale[:, None]

    def gaussian_negative_log_likelihood_forward(
        self,
        prediction: Array,
        target: Array,
        row_weight: Array,
        epsilon: float = 1e-6,
        constant: float = 0.0,
        each: bool = False,
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n mean_c (log v_nc + (mean_nc - target_nc)^2 / v_nc) / 2 + constant, v = exp(s) + epsilon.

        Parameters
        ----------
        prediction : (rows, 2 features)
            The means, and then s, the logarithms of the variances.
        target : (rows, features)
        row_weight : (rows,)
        epsilon : above 0
        constant : what is added for each feature
        each : whether to return each row's term
        """
        xp = self.xp
        prediction, target = self.counted(row_weight, prediction, target)
        features = target.shape[-1]
        mean, log_variance = prediction[:, :features], prediction[:, features:]
        least = xp.full_like(log_variance, math.log(epsilon))
        # log(exp(s) + epsilon), of which neither end overflows.
        log_v = xp.maximum(log_variance, least) + xp.log1p(xp.exp(-xp.abs(log_variance - least)))
        inverse = xp.exp(-log_v / 2)  # of the standard deviation
        distance = (mean - target) * inverse
        scale = row_weight / features
        rows = xp.sum((log_v + distance * distance) / 2 + constant, axis=-1)
        return self.total(rows * scale, each), (distance, inverse, xp.exp(log_variance - log_v), scale)

    def gaussian_negative_log_likelihood_backward(self, saved: Saved) -> Array:
        """Return d means = r_n (mean - target) / v, d s = r_n (1 - distance^2 / v) exp(s) / 2v, both over features."""
        distance, inverse, share, scale = saved
        means = distance * inverse
        log_variances = (1 - distance * distance) * share / 2
        return self.xp.concat([means, log_variances], axis=1) * scale[:, None]

    def quantile_forward(
        self, prediction: Array, target: Array, row_weight: Array, quantiles: Array, each: bool = False
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n mean_qc max(q d, (q - 1) d), d = target_nc - prediction_nqc.

        Parameters
        ----------
        prediction : (rows, quantiles * features)
            Each quantile's features, one after another.
        target : (rows, features)
        row_weight : (rows,)
        quantiles : (quantiles,), each between 0 and 1
        each : whether to return each row's term
        """
        xp = self.xp
        prediction, target = self.counted(row_weight, prediction, target)
        rows, features = target.shape
        count = quantiles.shape[0]
        difference = target[:, None, :] - self.reshape(prediction, (rows, count, features))
        q = quantiles[None, :, None]
        terms = xp.where(difference > 0, q * difference, (q - 1) * difference)
        scale = row_weight / (count * features)
        return self.total(xp.sum(terms, axis=(1, 2)) * scale, each), (difference, q, scale)

    def quantile_backward(self, saved: Saved) -> Array:
        """Return d prediction = r_n times -q below the target and 1 - q above it, over all outputs' number."""
        difference, q, scale = saved
        xp, zero = self.xp, self.zeros((), difference.dtype)
        slope = xp.where(difference > 0, -q, xp.where(difference < 0, 1 - q, zero))
        rows, count, features = difference.shape
        return self.reshape(slope * scale[:, None, None], (rows, count * features))

    def kl_divergence_forward(
        self, logits: Array, target: Array, row_weight: Array, log_target: bool = False, each: bool = False
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n sum_c t_nc (log t_nc - log softmax(logits_n)_c).

        Parameters
        ----------
        logits : (rows, classes)
        target : (rows, classes)
            t, or its logarithm.
        row_weight : (rows,)
        log_target : whether targets are logarithms
        each : whether to return each row's term
        """
        xp = self.xp
        logits, target = self.counted(row_weight, logits, target)
        shifted = self.below_largest(logits)
        exponential = xp.exp(shifted)
        total = xp.sum(exponential, axis=-1, keepdims=True)
        t = xp.exp(target) if log_target else target
        # What is no target costs nothing, however improbable it is: 0 * inf is NaN.
        none, zero = t == 0, self.zeros((), logits.dtype)
        log_t = target if log_target else xp.log(xp.where(none, self.full((), 1.0, logits.dtype), t))
        difference = xp.where(none, zero, log_t) - xp.where(none, zero, shifted - xp.log(total))
        return self.total(xp.sum(t * difference, axis=-1) * row_weight, each), (exponential / total, t, row_weight)

    def kl_divergence_backward(self, saved: Saved) -> Array:
        """Return d logits = r_n (p_nc sum_k t_nk - t_nc): (rows, classes)."""
        probability, t, row_weight = saved
        return (probability * self.xp.sum(t, axis=-1, keepdims=True) - t) * row_weight[:, None]
