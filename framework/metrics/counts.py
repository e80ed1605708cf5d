"""Metrics of what was taken for what: precision, recall, F1, the confusion matrix."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.arguments import number, one_of
from lamina.core.labels import as_label
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.errors import ShapeError
from lamina.metrics.labels import Labelled

__all__ = ["F1", "ConfusionMatrix", "Precision", "Recall"]

Average: TypeAlias = Literal["binary", "macro", "micro"]
NumpyArray: TypeAlias = np.ndarray[Any, Any]


class _Counts(Labelled):
    """Counts, for each class, of rows taken for it, of rows of it, and of those that are both.

    A row whose softmax is no number is taken for no class: it counts as taken for a class of its own, which is never
    right. Where there is yes and no alone, it is taken for what it is not.
    """

    def __init__(self, average: Average = "binary", threshold: float = 0.5, ignore_index: int | None = None) -> None:
        self.average = one_of(self, "average", average, ("binary", "macro", "micro"))
        self.threshold = number(type(self).__name__, "threshold", threshold, above=0, below=1)
        self.ignore_index = as_label(self, "ignore_index", ignore_index)
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self._counts: Any = 0  # (3, classes and none of them) int64: hits, predicted, actual
        self._counted: Any = 0
        self._backend: Backend | None = None

    def yes_or_no(self, target: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Tell whether each output is a yes or no: of a binary average, where the target has the prediction's shape."""
        return self.average == "binary" and len(target) == len(shape)

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...], lengths: Lengths | None) -> bool:
        """Return whether a target holds labels, or raise where it does not fit predictions of ``shape``."""
        if self.average == "binary" and len(target) != len(shape) and shape[-1:] != (2,):
            raise ShapeError(
                f"{type(self).__name__}: expected two classes, got {shape[-1]}: use average='macro' or 'micro'"
            )
        return super().check_shapes(target, shape, lengths)

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
        ShapeError, DTypeError, DataError
            If the target has neither shape, or what counts are no labels of the classes and no probabilities; or if
            there are more than two classes and the average is binary.
        """
        xp, whole = backend.xp, backend.dtype("int64")
        counted: Array | None
        if self.yes_or_no(tuple(target.shape), tuple(prediction.shape)):
            predicted, actual, counted = self._outputs(prediction, target, lengths, backend)
        else:
            rows = self.read(prediction, target, lengths, backend)
            classes, labels, binary = rows.logits.shape[1], rows.labels, self.average == "binary"
            numbers = xp.arange(1, 2, dtype=whole) if binary else xp.arange(classes + 1, dtype=whole)
            taken = rows.largest(backend, 1 - labels if binary else xp.full_like(labels, classes))
            predicted, actual = (one[:, None] == numbers[None, :] for one in (taken, labels))
            counted = None if rows.counted is None else rows.counted[:, None]
        if counted is None:
            count: Any = int(predicted.shape[0])
        else:
            predicted, actual = predicted & counted, actual & counted
            count = xp.sum(backend.astype(counted, whole))
        counts = [xp.sum(backend.astype(one, whole), axis=0) for one in (predicted & actual, predicted, actual)]
        self._counts = self._counts + xp.stack(counts)
        self._counted = self._counted + count
        self._backend = backend

    def _outputs(
        self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend
    ) -> tuple[Array, Array, Array | None]:
        """Return what is predicted, actual and counted for outputs of yes or no: (number of outputs, 1) each."""
        self.look_at(prediction, target, lengths, backend)
        shape, counted = tuple(prediction.shape), None
        if lengths is not None:
            valid = backend.valid_steps(lengths, shape[1])
            counted = backend.xp.broadcast_to(backend.reshape(valid, (*valid.shape, *(1,) * (len(shape) - 2))), shape)
            counted = backend.reshape(counted, (-1, 1))
        least = math.log(self.threshold / (1 - self.threshold))
        actual = backend.astype(target, backend.dtype("float64")) > 0.5
        predicted = backend.xp.where(prediction == prediction, prediction > least, ~actual)
        return backend.reshape(predicted, (-1, 1)), backend.reshape(actual, (-1, 1)), counted

    def result(self) -> float:
        """Return the figure; NaN where nothing was counted.

        Raises
        ------
        DataError
            If a device found labels that are none of the classes.
        """
        self.require_classes()
        counted = self._counted
        if self._backend is None or not (counted if isinstance(counted, int) else self._backend.item(counted)):
            return math.nan
        counts = self._backend.to_numpy(self._counts)
        occur = counts[1:].sum(axis=0) > 0
        top, bottom = self.ratio(*(counts[:, occur] if self.average == "macro" else counts.sum(axis=1, keepdims=True)))
        return float(np.mean(np.where(bottom == 0, 0.0, top / np.maximum(bottom, 1))))

    def ratio(self, hits: NumpyArray, predicted: NumpyArray, actual: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        """Return what is divided by what, for each class."""
        raise NotImplementedError


@register(aliases=("precision_score",))
class Precision(_Counts):
    """Of what was taken for a class, the share that is of it; 0 where nothing was.

    Parameters
    ----------
    average : {"binary", "macro", "micro"}
        Binary: of logits with a target of their shape, as `BinaryCrossEntropy` takes them, what is likelier than
        ``threshold`` is a yes; all outputs count together. Of two logits with integer labels, class 1 is the yes.
        Macro: the mean over the classes that occur, among labels or predictions. Micro: the counts of all classes
        together. A row whose logits are NaN, or the largest an infinity, is taken for no class, which counts as a
        class of its own that is never right; of yes and no, NaN is taken for what is not so.
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


@register(aliases=("recall_score",))
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


@register(aliases=("f1_score",))
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
class ConfusionMatrix(Labelled):
    """How many rows, or steps, of each class (axis 0) were taken for each class (axis 1).

    Where logits of a row are NaN, or the largest is an infinity, it was taken for none: these rows stand in one more
    column, the last, which is there only where there are such rows.

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
        self.ignore_index = as_label(self, "ignore_index", ignore_index)
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self._matrix: Any = 0  # (classes, classes and none of them)
        self._backend: Backend | None = None

    def update(self, prediction: Array, target: Array, lengths: Lengths | None, backend: Backend) -> None:
        """Count one batch; parameters and errors as for `Accuracy`."""
        xp, whole = backend.xp, backend.dtype("int64")
        rows = self.read(prediction, target, lengths, backend)
        classes = rows.logits.shape[1]
        numbers = xp.arange(classes + 1, dtype=whole)[None, :]
        actual = rows.labels[:, None] == numbers[:, :classes]
        if rows.counted is not None:
            actual = actual & rows.counted[:, None]
        taken = rows.largest(backend, xp.full_like(rows.labels, classes))
        # As products of floats, which are fast, and exact up to 2^53 rows.
        pairs = xp.matmul(xp.astype(actual, xp.float64).T, xp.astype(taken[:, None] == numbers, xp.float64))
        self._matrix = self._matrix + xp.astype(pairs, xp.int64)
        self._backend = backend

    def result(self) -> NumpyArray:
        """Return the matrix, (classes, classes) int64, on the host; (0, 0) before the first batch.

        Where rows were taken for no class, it is (classes, classes + 1).

        Raises
        ------
        DataError
            If a device found labels that are none of the classes.
        """
        self.require_classes()
        if self._backend is None:
            return np.zeros((0, 0), np.int64)
        matrix = np.array(self._backend.to_numpy(self._matrix))
        return matrix if matrix[:, -1].any() else matrix[:, :-1].copy()
