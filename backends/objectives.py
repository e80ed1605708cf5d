"""Generic kernels: losses. Every row's share of the mean comes in as ``row_weight``, so no kernel counts."""

from __future__ import annotations

from lamina.backends.arrays import Array, ArrayOperations, Saved

__all__ = ["LossKernels"]


class LossKernels(ArrayOperations):
    """Losses over flattened rows, and their gradients with respect to the prediction."""

    def softmax_cross_entropy_forward(
        self,
        logits: Array,
        target: Array,
        row_weight: Array,
        class_weight: Array | None = None,
        smoothing: float = 0.0,
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
        shifted = logits - xp.max(logits, axis=-1, keepdims=True)
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
        return xp.sum(rows), (exponential / total, q, row_weight)

    def softmax_cross_entropy_backward(self, saved: Saved) -> Array:
        """Return d logits = r_n (p_nc sum_k q_nk - q_nc): (rows, classes)."""
        probability, q, row_weight = saved
        mass = self.xp.sum(q, axis=-1, keepdims=True)
        return (probability * mass - q) * row_weight[:, None]

    def mean_squared_error_forward(self, prediction: Array, target: Array, row_weight: Array) -> tuple[Array, Saved]:
        """Return sum_n r_n mean_c (prediction_nc - target_nc)^2 over (rows, features)."""
        xp = self.xp
        difference = prediction - target
        difference = xp.where(row_weight[:, None] == 0, self.zeros((), difference.dtype), difference)
        scale = row_weight / prediction.shape[-1]
        loss = xp.sum(xp.sum(difference * difference, axis=-1) * scale)
        return loss, (difference, scale)

    def mean_squared_error_backward(self, saved: Saved) -> Array:
        """Return d prediction = 2 r_n (prediction - target) / features."""
        difference, scale = saved
        return difference * (2 * scale)[:, None]

    def negative_log_likelihood_forward(
        self, log_probability: Array, target: Array, row_weight: Array, class_weight: Array | None = None
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
        loss = xp.sum(xp.where(scale == 0, self.zeros((), rows.dtype), rows) * scale)
        return loss, (index, scale, log_probability.shape[1])

    def negative_log_likelihood_backward(self, saved: Saved) -> Array:
        """Return d log_probability: -r_n w_c at the target, else 0."""
        index, scale, classes = saved
        hits = self.xp.arange(classes, dtype=index.dtype)[None, :] == index[:, None]
        return self.xp.where(hits, -scale[:, None], self.zeros((), scale.dtype))
