"""Negative log-likelihood of labels, from log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.core.registry import register
from lamina.errors import DTypeError, ShapeError
from lamina.losses.labels import (
    all_within,
    as_label,
    as_weights,
    counted_steps,
    require_labels,
    require_weights,
    weights_array,
)
from lamina.losses.loss import Loss

__all__ = ["NegativeLogLikelihood"]


@register
class NegativeLogLikelihood(Loss):
    """The negative log-probability of each label, averaged over the rows, or steps, that count.

    For log-probabilities l, as a LogSoftmax layer gives them, labels y and class weights w,

        loss = sum_n m_n -w_c l_nc / sum_n m_n, c = y_n

    where m_n is 0 for an ignored label or a step past its row's end, the mask's value where there is one, and 1
    elsewhere. As in `SoftmaxCrossEntropy`, the divisor counts steps, not class weights, and the loss is 0 where
    nothing counts. For a model that ends in logits, that loss does the same in one part.

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count.
    class_weight : sequence of float, optional
        One for each class.

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> loss = NegativeLogLikelihood()
    >>> round(loss(np.log([[0.5, 0.5], [0.2, 0.8]]), [0, 1]), 4)
    0.4581
    """

    def __init__(self, ignore_index: int | None = None, class_weight: Sequence[float] | None = None) -> None:
        self.ignore_index = as_label("NegativeLogLikelihood", "ignore_index", ignore_index)
        self.class_weight = as_weights("NegativeLogLikelihood", "class_weight", class_weight)

    def forward(self, prediction: Array, target: Any, lengths: Any = None, mask: Any = None) -> tuple[Array, Any]:
        """Return the loss and its saved state.

        Parameters
        ----------
        prediction : (batch, classes) or (batch, time, classes)
            Log-probabilities.
        target : integers (batch,) or (batch, time)
        lengths : (batch,) integers, optional
        mask : (batch,) or (batch, time), optional

        Returns
        -------
        loss : 0-d array
        saved : for `backward`, which returns an array of the prediction's shape
        """
        backend = self.backend_for(prediction)
        shape = tuple(prediction.shape)
        steps = math.prod(shape[:-1])
        target = backend.reshape(self.read_target(backend, target, shape, lengths, mask), (steps,))
        valid = None if self.ignore_index is None else target != self.ignore_index
        weight = self.step_weights(backend, shape[:-1], prediction.dtype, lengths, mask, valid)
        # What stands at a step that does not count may be no label at all.
        target = backend.xp.where(weight == 0, backend.zeros((), target.dtype), target)
        class_weight = weights_array(backend, self.class_weight, prediction.dtype)
        kernel = backend.select("negative_log_likelihood", class_weight=class_weight is not None)
        rows = backend.reshape(prediction, (steps, shape[-1]))
        loss, content = kernel.forward(rows, target, weight, class_weight)
        return loss, (backend, kernel, content, shape)

    def backward(self, saved: Any) -> Array:
        """Return d log-probabilities, of the prediction's shape."""
        backend, kernel, content, shape = saved
        return backend.reshape(kernel.backward(content), shape)

    def check_target(self, target: Any, shape: tuple[int, ...], lengths: Any = None, mask: Any = None) -> None:
        """Raise where a target is no label of ours and counts: its type, shape or range.

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        target = np.asarray(target)
        if target.dtype.kind not in "iu":
            raise DTypeError(f"{self.label}: expected integer labels, got an array of {target.dtype}")
        self.check_shapes(target.shape, shape)
        if lengths is None and mask is None and all_within(target, shape[-1]):
            return
        counted = counted_steps(self, shape, lengths, mask)
        if self.ignore_index is not None:
            counted &= target != self.ignore_index
        require_labels(self, target, counted, shape[-1])

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """Raise where a target's shape, or the number of class weights, does not fit predictions of ``shape``.

        Raises
        ------
        ShapeError
        """
        if len(shape) < 2:
            raise ShapeError(f"{self.label}: expected log-probabilities (batch, classes), got {shape}")
        require_weights(self, "class", self.class_weight, shape[-1])
        if target != shape[:-1]:
            raise ShapeError(f"{self.label}: expected labels of shape {shape[:-1]}, got {target}")
