"""Metrics of what was taken for what: precision, recall, F1, the confusion matrix."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.arguments import number, one_of
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.errors import ShapeError
from lamina.metrics.metric import Metric, label_or_none, read_labels, require_shape

__all__ = ["F1", "ConfusionMatrix", "Precision", "Recall"]

Average: TypeAlias = Literal["binary", "macro", "micro"]
NumpyArray: TypeAlias = np.ndarray[Any, Any]


class _Counts(Metric):
    """Counts, for each class, of rows taken for it, of rows of it, and of those that are both."""

    def __init__(self, average: Average = "binary", threshold: float = 0.5, ignore_index: int | None = None) -> None:
        self.average = one_of(self, "average", average, ("binary", "macro", "micro"))
        self.threshold = number(type(self).__name__, "threshold", threshold, above=0, below=1)
        self.ignore_index = label_or_none(self, ignore_index)
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._counts: Any = 0  # (3, classes) int64: hits, predicted, actual
        self._counted: Any = 0
        self._backend: Backend | None = None

    def update(self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend) -> None:
        """Count one batch.

        Parameters
        ----------
        prediction : (batch, outputs) or (batch, time, outputs)
            Logits, of outputs that are a yes or no each, or of classes.
        target : array
            Binary: of the prediction's shape, yes above 1/2; or integers 0 and 1, one for each pair of logits.
            Else integers (batch,) or (batch, time), or probabilities of the prediction's shape.
        lengths : (batch,) int64 or None
        backend : Backend

        Raises
        ------
        ShapeError
            If the target has neither shape, or there are more than two classes and the average is binary.
        """
        xp = backend.xp
        if self.average == "binary" and target.ndim == prediction.ndim:
            predicted, actual, counted = self._outputs(prediction, target, lengths, backend)
        else:
            classes = prediction.shape[-1]
            if self.average == "binary" and classes != 2:
                raise ShapeError(
                    f"{type(self).__name__}: expected two classes, got {classes}: use average='macro' or 'micro'"
                )
            logits, labels, rows = read_labels(self, prediction, target, lengths, backend, self.ignore_index)
            counted = rows[:, None]
            numbers = xp.arange(classes, dtype=labels.dtype)[None, :]
            if self.average == "binary":
                numbers = numbers[:, 1:]
            predicted = xp.astype(xp.argmax(logits, axis=-1), labels.dtype)[:, None] == numbers
            actual = labels[:, None] == numbers
        predicted, actual = predicted & counted, actual & counted
        whole = backend.dtype("int64")
        counts = [xp.sum(backend.astype(one, whole), axis=0) for one in (predicted & actual, predicted, actual)]
        self._counts = self._counts + xp.stack(counts)
        self._counted = self._counted + xp.sum(backend.astype(counted, whole))
        self._backend = backend

    def _outputs(
        self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend
    ) -> tuple[Array, Array, Array]:
        """Return what is predicted, actual and counted for outputs of yes or no: (number of outputs, 1) each."""
        require_shape(self, target, tuple(prediction.shape))
        counted = backend.zeros(tuple(prediction.shape), prediction.dtype) == 0
        if lengths is not None:
            valid = backend.valid_steps(lengths, prediction.shape[1])
            counted = counted & backend.reshape(valid, (*valid.shape, *(1,) * (prediction.ndim - 2)))
        least = math.log(self.threshold / (1 - self.threshold))
        predicted, actual = prediction > least, backend.astype(target, prediction.dtype) > 0.5
        return tuple(backend.reshape(one, (-1, 1)) for one in (predicted, actual, counted))

    def result(self) -> float:
        """Return the figure; NaN where nothing was counted."""
        if self._backend is None or not self._backend.item(self._counted):
            return math.nan
        counts = self._backend.to_numpy(self._counts)
        occur = counts[1:].sum(axis=0) > 0
        top, bottom = self.ratio(*(counts[:, occur] if self.average == "macro" else counts.sum(axis=1, keepdims=True)))
        return float(np.mean(np.where(bottom == 0, 0.0, top / np.maximum(bottom, 1))))

    def ratio(self, hits: NumpyArray, predicted: NumpyArray, actual: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        """Return what is divided by what, for each class."""
        raise NotImplementedError


@register
class Precision(_Counts):
    """Of what was taken for a class, the share that is of it; 0 where nothing was.

    Parameters
    ----------
    average : {"binary", "macro", "micro"}
        Binary: of logits with a target of their shape, as `BinaryCrossEntropy` takes them, what is likelier than
        ``threshold`` is a yes; all outputs count together. Of two logits with integer labels, class 1 is the yes.
        Macro: the mean over the classes that occur, among labels or predictions. Micro: the counts of all classes
        together.
    threshold : float
        A probability, between 0 and 1.
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count; see `Accuracy`.

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> Precision()([[2.0], [1.0], [-1.0]], [[1], [0], [1]])
    0.5
    """

    def ratio(self, hits: NumpyArray, predicted: NumpyArray, actual: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        """Return hits and what was predicted."""
        return hits, predicted


@register
class Recall(_Counts):
    """Of what is of a class, the share that was taken for it; 0 where nothing is.

    Parameters
    ----------
    average, threshold, ignore_index : as for `Precision`

    Examples
    --------
    >>> Recall(average="macro")([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]], [0, 1, 1])
    0.75
    """

    def ratio(self, hits: NumpyArray, predicted: NumpyArray, actual: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        """Return hits and what there was."""
        return hits, actual


@register
class F1(_Counts):
    """The harmonic mean of precision and recall: 2 hits / (predicted + actual).

    Its macro average is the mean of the classes' F1.

    Parameters
    ----------
    average, threshold, ignore_index : as for `Precision`

    Examples
    --------
    >>> F1()([[2.0], [1.0], [-1.0]], [[1], [0], [1]])
    0.5
    """

    def ratio(self, hits: NumpyArray, predicted: NumpyArray, actual: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        """Return twice the hits, and what was predicted and what there was together."""
        return 2 * hits, predicted + actual


@register
class ConfusionMatrix(Metric):
    """How many rows, or steps, of each class (axis 0) were taken for each class (axis 1).

    Its result is an array, so no `Trainer` takes it: call it on what ``trainer.predict`` gives, or update it batch
    by batch.

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count; see `Accuracy`.

    Examples
    --------
    >>> ConfusionMatrix()([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]], [0, 1, 1])
    array([[1, 0],
           [1, 1]])
    """

    gives_array = True

    def __init__(self, ignore_index: int | None = None) -> None:
        self.ignore_index = label_or_none(self, ignore_index)
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._matrix: Any = 0
        self._backend: Backend | None = None

    def update(self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend) -> None:
        """Count one batch; parameters and errors as for `Accuracy`."""
        xp = backend.xp
        logits, labels, counted = read_labels(self, prediction, target, lengths, backend, self.ignore_index)
        numbers = xp.arange(logits.shape[1], dtype=labels.dtype)[None, :]
        actual = (labels[:, None] == numbers) & counted[:, None]
        predicted = xp.astype(xp.argmax(logits, axis=-1), labels.dtype)[:, None] == numbers
        # As products of floats, which are fast, and exact up to 2^53 rows.
        pairs = xp.matmul(xp.astype(actual, xp.float64).T, xp.astype(predicted, xp.float64))
        self._matrix = self._matrix + xp.astype(pairs, xp.int64)
        self._backend = backend

    def result(self) -> NumpyArray:
        """Return the matrix, (classes, classes) int64, on the host; (0, 0) before the first batch."""
        if self._backend is None:
            return np.zeros((0, 0), np.int64)
        return np.array(self._backend.to_numpy(self._matrix))
