"""Generic kernels: losses of classes and of yes or no, beside cross-entropy."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.losses import LossKernels

__all__ = ["ClassLossKernels"]


class ClassLossKernels(LossKernels):
    """Losses over flattened rows, as `LossKernels` has them."""

    def categorical_hinge_forward(
        self,
        scores: Array,
        target: Array,
        row_weight: Array,
        class_weight: Array | None = None,
        margin: float = 1.0,
        squared: bool = False,
        every: bool = False,
        each: bool = False,
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n w_y h(max_(c != y) margin - scores_ny + scores_nc), h(e) = max(e, 0), y = target_n.

        Parameters
        ----------
        scores : (rows, classes)
        target : (rows,) integer class indices
        row_weight : (rows,)
        class_weight : (classes,) or None for ones
        margin : how far above the others the target's score has to be
        squared : whether h(e) = max(e, 0)^2
        every : whether it is the sum over all classes c != y, over their number with y, in place of the largest
        each : whether to return each row's term
        """
        xp = self.xp
        index, classes = xp.astype(target, xp.int64), scores.shape[-1]
        scale = row_weight if class_weight is None else row_weight * xp.take(class_weight, index)
        numbers = xp.arange(classes, dtype=xp.int64)[None, :]
        hits, zero = numbers == index[:, None], self.zeros((), scores.dtype)
        own = xp.take_along_axis(scores, index[:, None], axis=1)
        excess = xp.maximum(xp.where(hits, zero, margin - own + scores), zero)
        if not every:
            excess = xp.where(numbers == xp.argmax(excess, axis=-1, keepdims=True), excess, zero)
        share = 1 / classes if every else 1.0
        terms = share * (excess * excess if squared else excess)
        slope = share * (2 * excess if squared else xp.astype(excess > 0, scores.dtype))
        rows = xp.sum(terms, axis=-1)
        loss = self.total(xp.where(scale == 0, zero, rows) * scale, each)
        return loss, (hits, slope, scale)

    def categorical_hinge_backward(self, saved: Saved) -> Array:
        """Return d scores: h's slope at the classes that are too near, less their sum at the target."""
        hits, slope, scale = saved
        total = self.xp.sum(slope, axis=-1, keepdims=True)
        return self.xp.where(hits, -total, slope) * scale[:, None]

    def binary_focal_cross_entropy_forward(
        self,
        logits: Array,
        target: Array,
        row_weight: Array,
        class_weight: Array | None = None,
        gamma: float = 2.0,
        alpha: float | None = None,
        each: bool = False,
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n mean_c w_c (-a t (1 - s)^gamma log s - (1 - a) (1 - t) s^gamma log(1 - s)), s the sigmoid.

        Parameters
        ----------
        logits, target : (rows, outputs)
        row_weight : (rows,)
        class_weight : (outputs,), w; None for ones
        gamma : 0 or more
        alpha : a; None for 1 in place of both a and 1 - a
        each : whether to return each row's term
        """
        xp = self.xp
        logits, target = self.counted(row_weight, logits, target)
        zero = self.zeros((), logits.dtype)
        positive, negative = target, 1 - target
        if alpha is not None:
            positive, negative = alpha * positive, (1 - alpha) * negative
        if class_weight is not None:
            positive, negative = positive * class_weight[None, :], negative * class_weight[None, :]
        common = xp.log1p(xp.exp(-xp.abs(logits)))
        no, yes = xp.maximum(-logits, zero) + common, xp.maximum(logits, zero) + common  # -log s, -log(1 - s)
        # An infinite logit costs nothing on the side that is no target, and 0 * inf is NaN.
        of_positive, of_negative = xp.where(positive == 0, zero, no), xp.where(negative == 0, zero, yes)
        if gamma:
            positive, negative = positive * xp.exp(-gamma * yes), negative * xp.exp(-gamma * no)
        rows = positive * of_positive + negative * of_negative
        scale = row_weight / logits.shape[-1]
        loss = self.total(xp.sum(rows, axis=-1) * scale, each)
        return loss, (no, yes, positive, negative, gamma, scale)

    def binary_focal_cross_entropy_backward(self, saved: Saved) -> Array:
        """Return d logits, by s' = s (1 - s)."""
        no, yes, positive, negative, gamma, scale = saved
        xp = self.xp
        s, rest = xp.exp(-no), xp.exp(-yes)  # the sigmoid, and 1 less it, to their last digits
        zero = xp.zeros_like(s)
        gradient = negative * (gamma * rest * xp.where(rest == 0, zero, yes) + s)
        gradient = gradient - positive * (gamma * s * xp.where(s == 0, zero, no) + rest)
        return gradient * scale[:, None]

    def softmax_focal_cross_entropy_forward(
        self,
        logits: Array,
        target: Array,
        row_weight: Array,
        class_weight: Array | None = None,
        gamma: float = 2.0,
        alpha: float = 1.0,
        each: bool = False,
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n sum_c -a w_c q_nc (1 - p_nc)^gamma log p_nc, p the softmax.

        Parameters
        ----------
        logits : (rows, classes)
        target : (rows,) integer class indices, or (rows, classes) probabilities: q
        row_weight : (rows,)
        class_weight : (classes,), w; None for ones
        gamma : 0 or more
        alpha : a, of every class
        each : whether to return each row's term
        """
        xp = self.xp
        shifted = self.below_largest(logits)
        log_p = shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))
        if target.ndim == 1:
            numbers = xp.arange(logits.shape[-1], dtype=xp.int64)
            q = xp.astype(numbers[None, :] == xp.astype(target, xp.int64)[:, None], logits.dtype)
        else:
            q = target
        q = q * alpha if class_weight is None else q * (alpha * class_weight[None, :])
        zero = self.zeros((), logits.dtype)
        # What is no target costs nothing, however improbable it is: 0 * inf is NaN.
        log_p_target = xp.where(q == 0, zero, log_p)
        missing = -xp.expm1(log_p)  # 1 - p
        power = missing**gamma
        rows = -xp.sum(q * power * log_p_target, axis=-1)
        rows = xp.where(row_weight == 0, zero, rows) * row_weight
        return self.total(rows, each), (xp.exp(log_p), log_p_target, missing, power, q, gamma, row_weight)

    def softmax_focal_cross_entropy_backward(self, saved: Saved) -> Array:
        """Return d logits = r_n (u_nc - p_nc sum_k u_nk), u = a w q (1 - p)^gamma (gamma p log(p) / (1 - p) - 1)."""
        p, log_p, missing, power, q, gamma, row_weight = saved
        xp = self.xp
        certain = missing == 0
        # log(p) / (1 - p), which is -1 in the limit.
        ratio = xp.where(certain, -xp.ones_like(p), log_p / xp.where(certain, xp.ones_like(p), missing))
        ratio = xp.where(p == 0, xp.zeros_like(p), ratio)  # which may be infinite
        u = q * power * (gamma * p * ratio - 1)
        return (u - p * xp.sum(u, axis=-1, keepdims=True)) * row_weight[:, None]

    def dice_forward(
        self, logits: Array, target: Array, inside: Array, row_weight: Array, smooth: float = 1.0, each: bool = False
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n (1 - (2 sum_c v_nc s_nc t_nc + smooth) / (sum_c v_nc (s_nc + t_nc) + smooth)).

        s is the sigmoid of the logits.

        Parameters
        ----------
        logits, target : (rows, elements)
        inside : (rows, elements), v: how much each element of a row counts
        row_weight : (rows,)
        smooth : above 0
        each : whether to return each row's term
        """
        xp = self.xp
        zero = self.zeros((), logits.dtype)
        logits, target = (xp.where(inside == 0, zero, one) for one in (logits, target))
        exponential = xp.exp(-xp.abs(logits))
        larger = 1 / (1 + exponential)  # s(|z|)
        smaller = exponential * larger
        s = xp.where(logits > 0, larger, smaller)
        overlap = 2 * xp.sum(inside * s * target, axis=-1, keepdims=True) + smooth
        whole = xp.sum(inside * (s + target), axis=-1, keepdims=True) + smooth
        loss = self.total((1 - overlap / whole)[:, 0] * row_weight, each)
        return loss, (larger * smaller, target, inside, overlap, whole, row_weight)

    def dice_backward(self, saved: Saved) -> Array:
        """Return d logits = r_n v_nc s' (overlap / whole - 2 t_nc) / whole."""
        slope, target, inside, overlap, whole, row_weight = saved
        return inside * slope * (overlap / whole - 2 * target) * (row_weight[:, None] / whole)
