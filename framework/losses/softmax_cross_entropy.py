"""Cross-entropy of a softmax, from logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.core.arguments import number
from lamina.core.registry import register
from lamina.errors import DataError, DTypeError, ShapeError
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

__all__ = ["SoftmaxCrossEntropy"]


@register
class SoftmaxCrossEntropy(Loss):
    r"""Softmax and cross-entropy in one, averaged over the rows, or steps, that count.

    For logits z, target distribution q and class weights w,

        loss = sum_n m_n sum_c -w_c q_nc log softmax(z_n)_c / sum_n m_n

    where m_n is 0 for an ignored label or a step past its row's end, the mask's value where there is one, and
    1 elsewhere. The divisor counts steps, not class weights (PyTorch divides by the weights of the labels that
    happen to be in the batch). It is 0 where nothing counts.

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count.
    class_weight : sequence of float, optional
        One for each class.
    label_smoothing : float
        The share, from 0 up to but not including 1, of each target that is spread evenly over all classes
        (Szegedy et al., 2016).

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> loss = SoftmaxCrossEntropy()
    >>> round(loss(np.array([[2.0, 0.0], [0.0, 0.0]]), [0, 1]), 4)
    0.41
    """

    def __init__(
        self,
        ignore_index: int | None = None,
        class_weight: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        self.ignore_index = as_label(self.label, "ignore_index", ignore_index)
        self.class_weight = as_weights(self.label, "class_weight", class_weight)
        self.label_smoothing = number(self, "label_smoothing", label_smoothing, least=0, below=1)

    def forward(self, prediction: Array, target: Any, lengths: Any = None, mask: Any = None) -> tuple[Array, Any]:
        """Return the loss and its saved state.

        Parameters
        ----------
        prediction : (batch, classes) or (batch, time, classes)
            Logits.
        target : integers (batch,) or (batch, time), or probabilities of the prediction's shape
        lengths : (batch,) integers, optional
        mask : (batch,) or (batch, time), optional

        Returns
        -------
        loss : 0-d array
        saved : for `backward`, which returns an array of the prediction's shape
        """
        backend = self.backend_for(prediction)
        xp, shape = backend.xp, tuple(prediction.shape)
        if len(shape) < 2:
            raise ShapeError(f"{self.label}: expected logits (batch, classes), got {shape}")
        target = self.read_target(backend, target, shape, lengths, mask)
        classes, steps = shape[-1], math.prod(shape[:-1])
        logits = backend.reshape(prediction, (steps, classes))
        labelled, valid = target.ndim == len(shape) - 1, None
        if labelled:
            target = backend.reshape(target, (steps,))
            valid = None if self.ignore_index is None else target != self.ignore_index
        else:
            target = backend.reshape(backend.astype(target, prediction.dtype), (steps, classes))
        weight = self.step_weights(backend, shape[:-1], prediction.dtype, lengths, mask, valid)
        if valid is not None or lengths is not None or mask is not None:
            # What stands at a step that does not count may be no label, or no number, at all.
            ignored = weight == 0
            logits = xp.where(ignored[:, None], backend.zeros((), logits.dtype), logits)
            target = xp.where(ignored if labelled else ignored[:, None], backend.zeros((), target.dtype), target)
        class_weight = None
        if self.class_weight is not None:
            class_weight = weights_array(backend, self.class_weight, prediction.dtype)
        kernel = backend.select(
            "softmax_cross_entropy",
            probabilities=not labelled,
            class_weight=class_weight is not None,
            smoothing=self.label_smoothing > 0,
        )
        loss, content = kernel.forward(logits, target, weight, class_weight, self.label_smoothing)
        return loss, (backend, kernel, content, shape)

    def backward(self, saved: Any) -> Array:
        """Return d logits, of the prediction's shape."""
        backend, kernel, content, shape = saved
        return backend.reshape(kernel.backward(content), shape)

    def check_target(self, target: Any, shape: tuple[int, ...], lengths: Any = None, mask: Any = None) -> None:
        """Raise where a target is no label of ours and counts: its type, shape, range or sum.

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        target = np.asarray(target)
        if target.dtype.kind not in "iufb":
            raise DTypeError(f"{self.label}: expected integer labels, got an array of {target.dtype}")
        self.check_shapes(target.shape, shape)
        labelled = target.shape != shape
        if labelled and target.dtype.kind not in "iu":
            raise DTypeError(f"{self.label}: expected integer labels, got {target.dtype}")
        if labelled and lengths is None and mask is None and all_within(target, shape[-1]):
            return
        counted = counted_steps(self, shape, lengths, mask)
        if not labelled:
            self._check_probabilities(target, counted)
        else:
            if self.ignore_index is not None:
                counted &= target != self.ignore_index
            require_labels(self, target, counted, shape[-1])

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """Raise where a target's shape, or the number of class weights, does not fit predictions of ``shape``.

        Raises
        ------
        ShapeError
        """
        require_weights(self, "class", self.class_weight, shape[-1])
        if target not in (shape, shape[:-1]):
            raise ShapeError(
                f"{self.label}: expected labels of shape {shape[:-1]} or probabilities of shape {shape}, got {target}"
            )

    def _check_probabilities(self, target: Any, counted: Any) -> None:
        wrong = counted & ~(np.abs(target.sum(axis=-1) - 1.0) < 1e-3)
        wrong |= counted & ~(target >= 0).all(axis=-1)
        if wrong.any():
            first = tuple(int(i) for i in np.argwhere(wrong)[0])
            where, row = first[0] if len(first) == 1 else first, target[first]
            raise DataError(
                f"{self.label}: expected probabilities that sum to 1, got a sum of {row.sum():.6g} and a smallest of "
                f"{row.min():.6g} at index {where}"
            )
