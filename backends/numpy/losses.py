"""NumPy's kernels for losses: softmax cross-entropy of labels, without an array of the classes' odds for each."""

from __future__ import annotations

import math

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.backend import Backend

__all__ = ["NumPyLossKernels"]


class NumPyLossKernels(Backend):
    """Losses over flattened rows."""

    def softmax_cross_entropy_forward(
        self,
        logits: Array,
        target: Array,
        row_weight: Array,
        class_weight: Array | None = None,
        smoothing: float = 0.0,
        each: bool = False,
    ) -> tuple[Array, Saved]:
        """Return the loss for integer targets, without class weights and smoothing."""
        rows, classes = logits.shape
        exponential, largest = self.empty(logits.shape, logits.dtype), np.maximum.reduce(logits, axis=1)
        if math.isfinite(largest.dot(largest)):  # at half the cost of looking at each
            np.subtract(logits, largest[:, None], out=exponential)
        else:
            exponential[...] = self.below_largest(logits)
        places = np.arange(0, rows * classes, classes)  # of the targets, counted through all rows
        places += target.astype(places.dtype, copy=False)
        picked = exponential.take(places)
        np.exp(exponential, out=exponential)
        total = np.add.reduce(exponential, axis=1)
        losses = np.log(total)
        losses -= picked
        if each:
            losses[row_weight == 0] = 0  # it may be infinite
            losses *= row_weight
            return losses, (exponential, total, places, row_weight)
        loss = losses.dot(row_weight)
        if loss != loss:  # a row that does not count may have an infinite loss, and 0 times that is NaN
            counted = row_weight != 0
            loss = losses[counted].dot(row_weight[counted])
        return np.asarray(loss), (exponential, total, places, row_weight)

    def softmax_cross_entropy_backward(self, saved: Saved) -> Array:
        """Return d logits = r_n (p - q)."""
        gradient, total, places, row_weight = saved  # saved is used once: its array becomes the gradient
        gradient *= (row_weight / total)[:, None]
        gradient.put(places, gradient.take(places) - row_weight)
        return gradient
