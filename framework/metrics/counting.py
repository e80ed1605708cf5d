"""What precision, recall and F-beta share: counts of what was taken for what."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.arguments import flag, number, one_of
from lamina.core.labels import as_label
from lamina.core.shapes import Lengths
from lamina.errors import ShapeError
from lamina.metrics.labels import Labelled
from lamina.metrics.ratio import require_shape
from lamina.metrics.weights import add_up, counted_outputs

__all__ = ["Average", "Counts"]

Average: TypeAlias = Literal["binary", "macro", "micro", "weighted"]
NumpyArray: TypeAlias = np.ndarray[Any, Any]


class Counts(Labelled):
    """Counts, for each class, of rows taken for it, of rows of it, and of those that are both.

    A row whose softmax is no number is taken for no class: it counts as taken for a class of its own, which is never
    right. Where there is yes and no alone, it is taken for what it is not.
    """

    def __init__(
        self,
        average: Average | None = "binary",
        threshold: float = 0.5,
        ignore_index: int | None = None,
        *,
        multi_label: bool = False,
        from_logits: bool = True,
    ) -> None:
        known = ("binary", "macro", "micro", "weighted")
        self.average = None if average is None else one_of(self, "average", average, known)
        self.threshold = number(type(self).__name__, "threshold", threshold, above=0, below=1)
        self.ignore_index = as_label(self, "ignore_index", ignore_index)
        self.multi_label = flag(self, "multi_label", multi_label)
        self.from_logits = flag(self, "from_logits", from_logits)
        self.gives_array = average is None
        # What is above this is a yes.
        self._least = math.log(self.threshold / (1 - self.threshold)) if self.from_logits else self.threshold
        self.reset()

    sums: ClassVar[tuple[str, ...]] = ("_counts", "_counted")

    def merge(self, other: Self) -> None:
        """Count what another of its kind has counted."""
        super().merge(other)
        self._each |= other._each

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self._counts: Any = 0  # (3, classes and none of them): hits, predicted, actual; whole, or sums of weights
        self._counted: Any = 0
        self._each = False  # whether they are of outputs of yes or no, not of classes
        self._backend: Backend | None = None

    def yes_or_no(self, target: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Tell whether each output is a yes or no: of a binary average, where the target has the prediction's shape."""
        return self.multi_label or (self.average == "binary" and len(target) == len(shape))

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...], lengths: Lengths | None) -> bool:
        """Return whether a target holds labels, or raise where it does not fit predictions of ``shape``."""
        if self.multi_label:
            require_shape(self, target, shape)
            if len(shape) < 2:
                raise ShapeError(f"{type(self).__name__}: expected predictions (batch, outputs), got {shape}")
        if self.average == "binary" and len(target) != len(shape) and shape[-1:] != (2,):
            raise ShapeError(
                f"{type(self).__name__}: expected two classes, got {shape[-1]}: use average='macro' or 'micro'"
            )
        return super().check_shapes(target, shape, lengths)

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
        prediction : (batch, outputs) or (batch, time, outputs)
            Logits, of outputs that are a yes or no each, or of classes.
        target : array
            Binary: of the prediction's shape, yes above 1/2; or integers 0 and 1, one for each pair of logits.
            Else integers (batch,) or (batch, time), or probabilities of the prediction's shape.
        lengths : (batch,) int64 or None
        backend : Backend
        sample_weight : (batch,) or (batch, time), or None
            How much each row, or step, counts; of weight 0 is what is as if it were not there.

        Raises
        ------
        ShapeError, DTypeError, DataError
            If the target has neither shape, or what counts are no labels of the classes and no probabilities; or if
            there are more than two classes and the average is binary.
        """
        xp, whole = backend.xp, backend.dtype("int64")
        counted: Array | None
        weight: Array | None
        if self.yes_or_no(tuple(target.shape), tuple(prediction.shape)):
            predicted, actual, counted, weight = self._outputs(prediction, target, lengths, backend, sample_weight)
            self._each = True
        else:
            rows = self.read(prediction, target, lengths, backend, sample_weight)
            classes, labels, binary = rows.logits.shape[1], rows.labels, self.average == "binary"
            numbers = xp.arange(1, 2, dtype=whole) if binary else xp.arange(classes + 1, dtype=whole)
            otherwise = 1 - labels if binary else xp.full_like(labels, classes)
            # Half of the probability is the largest logit's, whatever infinity it has.
            if binary and self.threshold != 0.5:
                likelier = rows.logits[:, 1] - rows.logits[:, 0] if self.from_logits else rows.logits[:, 1]
                taken = backend.astype(likelier > self._least, whole)
                taken = taken if rows.sound is None else xp.where(rows.sound, taken, otherwise)
            else:
                taken = rows.largest(backend, otherwise)
            predicted, actual = (one[:, None] == numbers[None, :] for one in (taken, labels))
            counted, weight = (None if one is None else one[:, None] for one in (rows.counted, rows.weight))
        if counted is None:
            count: Any = int(predicted.shape[0])
        else:
            predicted, actual = predicted & counted, actual & counted
            count = xp.sum(backend.astype(counted, whole) if weight is None else weight)
        kind = whole if weight is None else weight.dtype
        each = (backend.astype(one, kind) for one in (predicted & actual, predicted, actual))
        counts = xp.stack([xp.sum(one if weight is None else one * weight, axis=0) for one in each])
        self._counts = add_up(backend, self._counts, counts)
        self._counted = add_up(backend, self._counted, count)
        self._backend = backend

    def _outputs(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None,
    ) -> tuple[Array, Array, Array | None, Array | None]:
        """Return what is predicted, actual, counted, and by how much, for yes or no: (rows, outputs) each.

        Where all outputs count together, the number of outputs is one.
        """
        self.look_at(prediction, target, lengths, backend, sample_weight)
        shape = tuple(prediction.shape)
        flat = (-1, shape[-1]) if self.multi_label and self.average in (None, "macro", "weighted") else (-1, 1)
        counted, weight = counted_outputs(type(self).__name__, sample_weight, shape, lengths, flat, backend)
        actual = backend.astype(target, backend.dtype("float64")) > 0.5
        predicted = backend.xp.where(prediction == prediction, prediction > self._least, ~actual)
        return backend.reshape(predicted, flat), backend.reshape(actual, flat), counted, weight

    def result(self) -> Any:
        """Return the figure, or without an average one for each class; NaN where nothing was counted.

        Raises
        ------
        DataError
            If a device found labels that are none of the classes.
        """
        self.require_classes()
        counted = self._counted
        if self._backend is None:
            return np.zeros(0) if self.gives_array else math.nan
        counts = self._backend.to_numpy(self._counts)
        if not (counted if isinstance(counted, int) else self._backend.item(counted)):
            classes = counts.shape[1] - (not self._each)
            return np.full(classes, math.nan) if self.gives_array else math.nan
        if self.average in ("binary", "micro"):
            counts = counts.sum(axis=1, keepdims=True)
        elif self.average is not None and not self._each:
            counts = counts[:, counts[1:].sum(axis=0) > 0]
        top, bottom = self.ratio(*counts)
        figures = np.divide(top, bottom, out=np.zeros(len(top)), where=bottom != 0)
        if self.average is None:
            return figures if self._each else figures[:-1]
        if self.average == "weighted":
            actual = counts[2].sum()
            return float(figures @ counts[2] / actual) if actual else 0.0
        return float(np.mean(figures))

    def ratio(self, hits: NumpyArray, predicted: NumpyArray, actual: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        """Return what is divided by what, for each class."""
        raise NotImplementedError
