"""Metrics of logits over classes: accuracy, top-k accuracy, perplexity."""

from __future__ import annotations

import math
from typing import Any

from lamina.backends import Array, Backend
from lamina.core.arguments import whole
from lamina.core.labels import as_label
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.metrics.labels import Labelled
from lamina.metrics.ratio import Ratio
from lamina.metrics.weights import counted_outputs

__all__ = ["Accuracy", "Perplexity", "TopKAccuracy"]


class _OverClasses(Labelled, Ratio):
    """A mean over the rows, or steps, that count."""

    def __init__(self, ignore_index: int | None = None) -> None:
        self.ignore_index = as_label(self, "ignore_index", ignore_index)
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        Labelled.reset(self)
        Ratio.reset(self)

    def add_counted(self, backend: Backend, values: Array, counted: Array | None, weight: Array | None = None) -> None:
        """Count one batch of (rows,) values, numbers or bool, where all rows count or some do, or by their weights."""
        xp = backend.xp
        whole_number, double = backend.dtype("int64"), backend.dtype("float64")
        if counted is not None:
            values = xp.where(counted, values, backend.zeros((), values.dtype))
        if weight is not None:
            self.add(backend, xp.sum(backend.astype(values, double) * weight), xp.sum(weight))
            return
        total = xp.sum(backend.astype(values, double if backend.is_float(values) else whole_number))
        rows = math.prod(values.shape) if counted is None else xp.sum(backend.astype(counted, whole_number))
        self.add(backend, total, rows)

    def result(self) -> float:
        """Return the mean; NaN where nothing was counted.

        Raises
        ------
        DataError
            If a device found labels that are none of the classes.
        """
        backend = self._backend
        if backend is None or backend.on_host:
            return Ratio.result(self)
        # All that is asked for together, so that the device is waited for once.
        asked = [backend.asarray(one, "float64") for one in (self._sum, self._count, self._strange)]
        total, count, strange = backend.to_numpy(backend.xp.stack(asked)).tolist()
        self.require_classes(strange)
        return total / count if count else math.nan


@register(aliases=("acc", "accuracy_score", "categorical_accuracy", "sparse_categorical_accuracy"))
class Accuracy(_OverClasses):
    """The share of rows, or of steps, whose largest logit is the label's.

    Where a logit is NaN, or the largest is an infinity, no class is: a model whose softmax is NaN hits nothing.

    Where there is one logit alone, with a target of its shape, as `BinaryCrossEntropy` takes them: the share of rows
    whose logit is above 0 just where the target is above 1/2.

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count. `Trainer` takes over the loss's where this
        is None.

    Examples
    --------
    >>> Accuracy(ignore_index=-1).name
    'accuracy'
    """

    def yes_or_no(self, target: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Tell whether there is one logit alone, with a target of its shape."""
        return len(shape) > 1 and shape[-1] == 1 and target == shape

    def update(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None = None,
    ) -> None:
        """Count one batch.

        Parameters
        ----------
        prediction : (batch, classes) or (batch, time, classes)
        target : integers (batch,) or (batch, time), or probabilities of the prediction's shape
        lengths : (batch,) int64 or None
        backend : Backend
        sample_weight : (batch,) or (batch, time), or None
            How much each row, or step, counts; of weight 0 is what is as if it were not there.

        Raises
        ------
        ShapeError, DTypeError, DataError
            If the target has neither shape, or what counts are no labels of the classes and no probabilities.
        """
        xp = backend.xp
        if not self.yes_or_no(tuple(target.shape), tuple(prediction.shape)):
            rows = self.read(prediction, target, lengths, backend, sample_weight)
            hit = xp.argmax(rows.logits, axis=-1) == rows.labels
            self.add_counted(backend, hit if rows.sound is None else hit & rows.sound, rows.counted, rows.weight)
            return
        self.look_at(prediction, target, lengths, backend, sample_weight)
        shape = tuple(prediction.shape)
        flat = (math.prod(shape),)
        counted, weight = counted_outputs(type(self).__name__, sample_weight, shape, lengths, flat, backend)
        # NaN is above 0 no more than a no is, and yet it is no no.
        hit = (prediction > 0) == (backend.astype(target, backend.dtype("float64")) > 0.5)
        self.add_counted(backend, backend.reshape(hit & (prediction == prediction), flat), counted, weight)


@register(aliases=("top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy"))
class TopKAccuracy(_OverClasses):
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
        super().__init__(ignore_index)

    def update(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None = None,
    ) -> None:
        """Count one batch; parameters and errors as for `Accuracy`."""
        xp = backend.xp
        rows = self.read(prediction, target, lengths, backend, sample_weight)
        logits, labels = rows.logits, rows.labels_within(backend)
        own = xp.take_along_axis(logits, labels[:, None], axis=1)
        lower = xp.arange(logits.shape[1], dtype=labels.dtype)[None, :] < labels[:, None]
        before = backend.astype((logits > own) | ((logits == own) & lower), labels.dtype)
        hit = xp.sum(before, axis=1) < self.k
        self.add_counted(backend, hit if rows.sound is None else hit & rows.sound, rows.counted, rows.weight)


@register(aliases=("ppl",))
class Perplexity(_OverClasses):
    """exp of the mean, over the rows, or steps, that count, of -log softmax(logits) at the label.

    The number of classes among which a model that is as unsure would choose evenly; NaN where logits of a row that
    counts are NaN, or the largest is an infinity. Log-probabilities may stand in
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
    takes_probabilities = False

    def update(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None = None,
    ) -> None:
        """Count one batch; parameters and errors as for `Accuracy`, but for targets, which are labels."""
        xp = backend.xp
        rows = self.read(prediction, target, lengths, backend, sample_weight)
        logits, labels, sound = rows.logits, rows.labels_within(backend), rows.sound
        zero = backend.zeros((), logits.dtype)
        if sound is not None:
            logits = xp.where(sound[:, None], logits, zero)
        shifted = logits - xp.max(logits, axis=-1, keepdims=True)
        own = xp.take_along_axis(shifted, labels[:, None], axis=1)[:, 0]
        cost = xp.log(xp.sum(xp.exp(shifted), axis=-1)) - own
        cost = cost if sound is None else xp.where(sound, cost, zero + math.nan)
        self.add_counted(backend, cost, rows.counted, rows.weight)

    def result(self) -> float:
        """Return exp of the mean; infinity where that is too large for a number."""
        mean: Any = super().result()
        try:
            return math.exp(mean)
        except OverflowError:
            return math.inf
