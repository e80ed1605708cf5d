"""Generic kernels: losses. Every row's share of the mean comes in as ``row_weight``, so no kernel counts."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import KernelTable

__all__ = ["LossKernels"]


class LossKernels(KernelTable):
    """Losses over flattened rows, and their gradients with respect to the prediction.

    r_n is the row's share; where it is 0, what stands in the row does not count. With ``each`` a kernel returns the
    terms of its sum over the rows, (rows,), in its place; the gradient is the sum's either way.
    """

    def softmax_cross_entropy_forward(
        self,
        logits: Array,
        target: Array,
        row_weight: Array,
        class_weight: Array | None = None,
        smoothing: float = 0.0,
        each: bool = False,
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n sum_c -w_c q_nc log softmax(logits_n)_c and what its gradient needs.

        Parameters
        ----------
        logits : (rows, classes)
        target : (rows,) integer class indices, or (rows, classes) probabilities
        row_weight : (rows,), r_n: 0 for a row that does not count
        class_weight : (classes,) or None for ones
        smoothing : the share of each target that is spread evenly over the classes, giving q
        """
        xp = self.xp
        shifted = self.below_largest(logits)
        exponential = xp.exp(shifted)
        total = xp.sum(exponential, axis=-1, keepdims=True)
        classes = logits.shape[-1]
        if target.ndim == 1:
            # As int64: a narrow type would wrap around where there are more classes than it counts.
            hits = xp.arange(classes, dtype=xp.int64)[None, :] == xp.astype(target, xp.int64)[:, None]
            q = xp.astype(hits, logits.dtype)
        else:
            q = target
        if smoothing:
            q = q * (1 - smoothing) + smoothing / classes
        if class_weight is not None:
            q = q * class_weight[None, :]
        # A class ruled out by a logit of -inf costs nothing where it is no target, and 0 * inf is NaN.
        log_probability = xp.where(q == 0, self.zeros((), logits.dtype), shifted - xp.log(total))
        rows = -xp.sum(q * log_probability, axis=-1)
        # A row that does not count may hold an infinite loss.
        rows = xp.where(row_weight == 0, self.zeros((), rows.dtype), rows) * row_weight
        return self.total(rows, each), (exponential / total, q, row_weight)

    def softmax_cross_entropy_backward(self, saved: Saved) -> Array:
        """Return d logits = r_n (p_nc sum_k q_nk - q_nc): (rows, classes)."""
        probability, q, row_weight = saved
        mass = self.xp.sum(q, axis=-1, keepdims=True)
        return (probability * mass - q) * row_weight[:, None]

    def mean_squared_error_forward(
        self, prediction: Array, target: Array, row_weight: Array, each: bool = False
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n mean_c (prediction_nc - target_nc)^2 over (rows, features)."""
        xp = self.xp
        prediction, target = self.counted(row_weight, prediction, target)
        difference = prediction - target
        scale = row_weight / prediction.shape[-1]
        loss = self.total(xp.sum(difference * difference, axis=-1) * scale, each)
        return loss, (difference, scale)

    def mean_squared_error_backward(self, saved: Saved) -> Array:
        """Return d prediction = 2 r_n (prediction - target) / features."""
        difference, scale = saved
        return difference * (2 * scale)[:, None]

    def negative_log_likelihood_forward(
        self,
        log_probability: Array,
        target: Array,
        row_weight: Array,
        class_weight: Array | None = None,
        each: bool = False,
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n -w_c log_probability_nc, c = target_n.

        Parameters
        ----------
        log_probability : (rows, classes)
        target : (rows,) integer class indices
        row_weight : (rows,)
        class_weight : (classes,) or None for ones
        """
        xp = self.xp
        index = xp.astype(target, xp.int64)
        scale = row_weight if class_weight is None else row_weight * xp.take(class_weight, index)
        rows = -xp.take_along_axis(log_probability, index[:, None], axis=1)[:, 0]
        # A row that does not count may hold an infinite loss.
        loss = self.total(xp.where(scale == 0, self.zeros((), rows.dtype), rows) * scale, each)
        return loss, (index, scale, log_probability.shape[1])

    def negative_log_likelihood_backward(self, saved: Saved) -> Array:
        """Return d log_probability: -r_n w_c at the target, else 0."""
        index, scale, classes = saved
        hits = self.xp.arange(classes, dtype=index.dtype)[None, :] == index[:, None]
        return self.xp.where(hits, -scale[:, None], self.zeros((), scale.dtype))

    def binary_cross_entropy_forward(
        self,
        logits: Array,
        target: Array,
        row_weight: Array,
        positive_weight: Array | None = None,
        class_weight: Array | None = None,
        each: bool = False,
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n mean_c w_c (-p_c t_nc log s(z_nc) - (1 - t_nc) log(1 - s(z_nc))), s the sigmoid.

        Parameters
        ----------
        logits, target : (rows, outputs)
        row_weight : (rows,)
        positive_weight : (outputs,), or (1,) for all outputs, p; None for ones
        class_weight : (outputs,), w; None for ones
        """
        xp = self.xp
        logits, target = self.counted(row_weight, logits, target)
        zero = self.zeros((), logits.dtype)
        positive, negative = target, 1 - target
        if positive_weight is not None:
            positive = positive * positive_weight[None, :]
        if class_weight is not None:
            positive, negative = positive * class_weight[None, :], negative * class_weight[None, :]
        # -log s(z) = max(-z, 0) + log(1 + exp(-|z|)): nothing overflows, and no digit is lost to a difference.
        exponential = xp.exp(-xp.abs(logits))
        rows = (positive + negative) * xp.log1p(exponential)
        # An infinite logit costs nothing on the side that is no target, and 0 * inf is NaN.
        rows = rows + negative * xp.where(negative == 0, zero, xp.maximum(logits, zero))
        rows = rows + positive * xp.where(positive == 0, zero, xp.maximum(-logits, zero))
        scale = row_weight / logits.shape[-1]
        loss = self.total(xp.sum(rows, axis=-1) * scale, each)
        return loss, (logits, exponential, positive, negative, scale)

    def binary_cross_entropy_backward(self, saved: Saved) -> Array:
        """Return d logits = r_n w_c ((1 - t) s(z) - p_c t s(-z)) / outputs."""
        logits, exponential, positive, negative, scale = saved
        larger = 1 / (1 + exponential)  # s(|z|)
        smaller = exponential * larger  # s(-|z|), to its last digit
        above = logits > 0
        gradient = negative * self.xp.where(above, larger, smaller) - positive * self.xp.where(above, smaller, larger)
        return gradient * scale[:, None]

    def mean_absolute_error_forward(
        self, prediction: Array, target: Array, row_weight: Array, each: bool = False
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n mean_c |prediction_nc - target_nc| over (rows, features)."""
        xp = self.xp
        prediction, target = self.counted(row_weight, prediction, target)
        difference = prediction - target
        scale = row_weight / prediction.shape[-1]
        return self.total(xp.sum(xp.abs(difference), axis=-1) * scale, each), (difference, scale)

    def mean_absolute_error_backward(self, saved: Saved) -> Array:
        """Return d prediction = r_n sign(prediction - target) / features (the slope at 0 is taken as 0)."""
        difference, scale = saved
        return self.xp.sign(difference) * scale[:, None]

    def huber_forward(
        self, prediction: Array, target: Array, row_weight: Array, delta: float = 1.0, each: bool = False
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n mean_c h(prediction_nc - target_nc) over (rows, features).

        h(d) = c (|d| - c/2) with c = min(|d|, delta): d^2 / 2 up to delta, and linear past it.
        """
        xp = self.xp
        prediction, target = self.counted(row_weight, prediction, target)
        difference = prediction - target
        size = xp.abs(difference)
        bounded = xp.clip(size, 0, delta)
        scale = row_weight / prediction.shape[-1]
        loss = self.total(xp.sum(bounded * (size - bounded / 2), axis=-1) * scale, each)
        return loss, (difference, scale, delta)

    def huber_backward(self, saved: Saved) -> Array:
        """Return d prediction = r_n clip(prediction - target, -delta, delta) / features."""
        difference, scale, delta = saved
        return self.xp.clip(difference, -delta, delta) * scale[:, None]

    def cosine_similarity_forward(
        self, prediction: Array, target: Array, row_weight: Array, epsilon: float = 1e-8, each: bool = False
    ) -> tuple[Array, Saved]:
        """Return sum_n r_n (1 - u_n . v_n), u and v the rows over their norms, which count as epsilon at least."""
        xp = self.xp
        prediction, target = self.counted(row_weight, prediction, target)
        size = self._norms(prediction)
        bounded = xp.maximum(size, xp.full_like(size, epsilon))
        other = self._norms(target)
        u, v = prediction / bounded, target / xp.maximum(other, xp.full_like(other, epsilon))
        cosine = xp.sum(u * v, axis=-1, keepdims=True)
        loss = self.total((1 - cosine[:, 0]) * row_weight, each)
        # Below epsilon the norm is a constant, and has no gradient.
        along = xp.where(size > epsilon, cosine, xp.zeros_like(cosine))
        return loss, (u, v, along, row_weight[:, None] / bounded)

    def cosine_similarity_backward(self, saved: Saved) -> Array:
        """Return d prediction = r_n (cos u - v) / |prediction|."""
        u, v, along, scale = saved
        return (along * u - v) * scale

    def total(self, rows: Array, each: bool) -> Array:
        """Return the sum of each row's term, or with ``each`` the terms themselves."""
        return rows if each else self.xp.sum(rows)

    def below_largest(self, logits: Array) -> Array:
        """Return logits less the largest one of their last axis: 0 at most.

        Where that is infinite, it stands for the limit of ever larger ones: all others are infinitely far below it,
        and several of it are equals. Their difference as a number would be NaN.
        """
        xp = self.xp
        largest = xp.max(logits, axis=-1, keepdims=True)
        finite = xp.isfinite(largest)
        if self.on_host and bool(xp.all(finite)):  # a device is not waited for
            return logits - largest
        zero = self.zeros((), logits.dtype)
        below = logits - xp.where(finite, largest, zero)
        # NaN is no infinity: it stays what it is.
        below = xp.where(
            (largest == float("inf")) & (logits < largest), self.full((), -float("inf"), logits.dtype), below
        )
        return xp.where(~finite & (logits == largest), zero, below)

    def counted(self, row_weight: Array, *arrays: Array) -> tuple[Array, ...]:
        """Return arrays (rows, ...) with zeros where no row counts, whatever stands there; themselves where all do."""
        xp, ignored = self.xp, row_weight[:, None] == 0
        if self.on_host and not bool(xp.any(ignored)):  # a device is not waited for
            return arrays
        return tuple(xp.where(ignored, self.zeros((), one.dtype), one) for one in arrays)

    def _norms(self, rows: Array) -> Array:
        """Return each row's Euclidean norm as (rows, 1), of which no square overflows."""
        xp = self.xp
        largest = xp.max(xp.abs(rows), axis=-1, keepdims=True)
        safe = xp.where(largest > 0, largest, xp.ones_like(largest))
        scaled = rows / safe
        return safe * xp.sqrt(xp.sum(scaled * scaled, axis=-1, keepdims=True))
