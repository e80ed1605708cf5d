"""Metrics of logits over classes: accuracy, top-k accuracy, perplexity."""

from __future__ import annotations

import math
from typing import Any

from lamina.backends import Array, Backend
from lamina.core.arguments import whole
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.metrics.metric import Ratio, label_or_none, read_labels, require_shape

__all__ = ["Accuracy", "Perplexity", "TopKAccuracy"]


@register
class Accuracy(Ratio):
    """The share of rows, or of steps, whose largest logit is the label's.

    Where there is one logit alone, with a target of its shape, as `BinaryCrossEntropy` takes them: the share of rows
    whose logit is above 0 just where the target is above 1/2.

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count. `Trainer` takes over the loss's where the metric
        is given by name.

    Examples
    --------
    >>> Accuracy(ignore_index=-1).name
    'accuracy'
    """

    def __init__(self, ignore_index: int | None = None) -> None:
        self.ignore_index = label_or_none(self, ignore_index)
        super().__init__()

    def update(self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend) -> None:
        """Count one batch.

        Parameters
        ----------
        prediction : (batch, classes) or (batch, time, classes)
        target : integers (batch,) or (batch, time), or probabilities of the prediction's shape
        lengths : (batch,) int64 or None
        backend : Backend

        Raises
        ------
        ShapeError
            If the target has neither shape.
        """
        xp, labelled = backend.xp, target.ndim != prediction.ndim
        require_shape(self, target, prediction.shape[:-1] if labelled else prediction.shape)
        if prediction.shape[-1] == 1 and not labelled:
            hit = ((prediction > 0) == (backend.astype(target, prediction.dtype) > 0.5))[..., 0]
        else:
            hit = xp.argmax(prediction, axis=-1) == (target if labelled else xp.argmax(target, axis=-1))
        counted = None
        if self.ignore_index is not None and labelled:
            counted = target != self.ignore_index
        if lengths is not None:
            valid = backend.valid_steps(lengths, hit.shape[1])
            counted = valid if counted is None else counted & valid
        whole_number = backend.dtype("int64")
        if counted is None:
            self.add(backend, xp.sum(backend.astype(hit, whole_number)), math.prod(hit.shape))
        else:
            hits = xp.sum(backend.astype(hit & counted, whole_number))
            self.add(backend, hits, xp.sum(backend.astype(counted, whole_number)))


@register
class TopKAccuracy(Ratio):
    """The share of rows, or of steps, whose label is among the k largest logits.

    Of equal logits, that of the lower class counts as larger: so a model that tells nothing scores as one that
    guesses, and k = 1 is the accuracy.

    Parameters
    ----------
    k : int
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count; see `Accuracy`.

    Examples
    --------
    >>> TopKAccuracy(k=2)([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]], [2, 1])
    0.5
    """

    name = "top_k_accuracy"

    def __init__(self, k: int = 5, ignore_index: int | None = None) -> None:
        self.k = whole("TopKAccuracy", "k", k)
        self.ignore_index = label_or_none(self, ignore_index)
        super().__init__()

    def update(self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend) -> None:
        """Count one batch; parameters and errors as for `Accuracy`."""
        xp = backend.xp
        logits, labels, counted = read_labels(self, prediction, target, lengths, backend, self.ignore_index)
        own = xp.take_along_axis(logits, labels[:, None], axis=1)
        lower = xp.arange(logits.shape[1], dtype=labels.dtype)[None, :] < labels[:, None]
        before = backend.astype((logits > own) | ((logits == own) & lower), labels.dtype)
        hit = (xp.sum(before, axis=1) < self.k) & ~xp.isnan(own[:, 0]) & counted
        self.add(backend, *(xp.sum(backend.astype(one, labels.dtype)) for one in (hit, counted)))


@register
class Perplexity(Ratio):
    """exp of the mean, over the rows, or steps, that count, of -log softmax(logits) at the label.

    The number of classes among which a model that is as unsure would choose evenly. Log-probabilities may stand in
    for the logits: their log-softmax is themselves.

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count; see `Accuracy`.

    Examples
    --------
    >>> Perplexity()([[0.0, 0.0, 0.0, 0.0]], [1])
    4.0
    """

    higher_is_better = False

    def __init__(self, ignore_index: int | None = None) -> None:
        self.ignore_index = label_or_none(self, ignore_index)
        super().__init__()

    def update(self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend) -> None:
        """Count one batch; parameters and errors as for `Accuracy`, but for targets, which are labels."""
        xp = backend.xp
        require_shape(self, target, prediction.shape[:-1])
        logits, labels, counted = read_labels(self, prediction, target, lengths, backend, self.ignore_index)
        shifted = logits - xp.max(logits, axis=-1, keepdims=True)
        own = xp.take_along_axis(shifted, labels[:, None], axis=1)[:, 0]
        cost = xp.log(xp.sum(xp.exp(shifted), axis=-1)) - own
        total = xp.sum(xp.where(counted, cost, xp.zeros_like(cost)), dtype=xp.float64)
        self.add(backend, total, xp.sum(backend.astype(counted, labels.dtype)))

    def result(self) -> float:
        """Return exp of the mean; infinity where that is too large for a number."""
        mean: Any = super().result()
        try:
            return math.exp(mean)
        except OverflowError:
            return math.inf
