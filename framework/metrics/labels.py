"""What metrics over classes share: labels that are checked as losses check them, and rows that are no answer."""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.host import as_host
from lamina.core.labels import all_within, refuse_first, valid_steps
from lamina.core.shapes import Lengths
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.metrics.metric import Metric
from lamina.metrics.ratio import require_shape
from lamina.metrics.weights import check_weight, spread, weighs, within, without

__all__ = ["Labelled", "Rows"]


class Rows(NamedTuple):
    """A batch, each step a row.

    Attributes
    ----------
    logits : (rows, classes)
    labels : (rows,) int64
        Of the classes where a row counts.
    counted : (rows,) bool, or None
        None where all count.
    sound : (rows,) bool, or None
        Whether the softmax of the logits is a number: not where one is NaN, or the largest is an infinity. Such a row
        answers nothing, and no class is its largest. None where all are.
    weight : (rows,) float64, or None
        How much each counts, 0 where it does not. None where all that count do alike.
    """

    logits: Array
    labels: Array
    counted: Array | None
    sound: Array | None
    weight: Array | None = None

    def labels_within(self, backend: Backend) -> Array:
        """Return the labels, 0 where a row does not count, so that each is one of the classes."""
        if self.counted is None:
            return self.labels
        return backend.xp.where(self.counted, self.labels, backend.zeros((), self.labels.dtype))

    def largest(self, backend: Backend, otherwise: Any) -> Array:
        """Return the class with the largest logit, (rows,) int64, and something else where none is."""
        found = backend.astype(backend.xp.argmax(self.logits, axis=-1), self.labels.dtype)
        return found if self.sound is None else backend.xp.where(self.sound, found, otherwise)


class Labelled(Metric):
    """The base class of metrics over classes: it reads their batches, and checks the targets.

    A label that counts and is none of the classes is refused: at once on the host; by `require_classes` on a device,
    whose values are not waited for in between.
    """

    ignore_index: int | None = None
    #: Whether a target may also be a distribution over the classes, of the prediction's shape.
    takes_probabilities: ClassVar[bool] = True

    sums: ClassVar[tuple[str, ...]] = ("_strange",)

    def reset(self) -> None:
        """Forget all batches."""
        self._strange: Any = 0
        self._classes = 0
        self._device: Backend | None = None

    def merge(self, other: Self) -> None:
        """Count what another of its kind has counted."""
        super().merge(other)
        self._classes = max(self._classes, other._classes)
        self._device = self._device or other._device

    def yes_or_no(self, target: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Tell whether each output is a yes or no of its own, for a target of a shape, as in `BinaryCrossEntropy`."""
        return False

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...], lengths: Lengths | None) -> bool:
        """Return whether a target holds labels, or raise where it does not fit predictions of ``shape``."""
        name = type(self).__name__
        labelled = not self.takes_probabilities or len(target) != len(shape)
        require_shape(self, target, shape[:-1] if labelled else shape)
        if self.yes_or_no(target, shape):
            return False
        if len(shape) < 2 or not shape[-1]:
            raise ShapeError(f"{name}: expected logits (batch, classes), got {shape}")
        if lengths is not None and len(shape) < 3:
            raise ShapeError(f"{name}: lengths need (batch, time, classes), got {shape}")
        return labelled

    def check_target(
        self, target: Any, shape: tuple[int, ...], lengths: Lengths | None = None, sample_weight: Any = None
    ) -> None:
        """Raise where a target that counts does not fit predictions of ``shape``: its type, shape or range.

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        target = as_host(target, f"{type(self).__name__} target")
        labelled = self.check_shapes(target.shape, shape, lengths)
        name, kind = type(self).__name__, target.dtype.kind
        if kind not in ("iu" if labelled else "iufb"):
            wanted = "integer labels" if labelled else "numbers as targets"
            raise DTypeError(f"{name}: expected {wanted}, got an array of {target.dtype}")
        if labelled and all_within(target, shape[-1]):
            return
        each = not labelled and self.yes_or_no(target.shape, shape)
        counted = np.ones(shape if each else shape[:-1], bool)
        if lengths is not None and counted.ndim > 1:
            counted &= valid_steps(lengths, counted.shape)
        if sample_weight is not None:
            counted &= weighs(name, check_weight(name, sample_weight, shape, lengths), counted.shape)
        if labelled:
            if self.ignore_index is not None:
                counted &= target != self.ignore_index
            wrong = counted & ((target < 0) | (target >= shape[-1]))
            expected = f"labels from 0 to {shape[-1] - 1}"
        elif each:
            wrong = counted & ~((target >= 0) & (target <= 1))
            expected = "targets from 0 to 1"
        else:
            wrong = counted & ~((np.abs(target.sum(axis=-1) - 1.0) < 1e-3) & (target >= 0).all(axis=-1))
            expected = "probabilities that sum to 1"
        if wrong.any():
            refuse_first(name, expected, target, wrong)

    def read(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None = None,
    ) -> Rows:
        """Return a batch, each step a row.

        Parameters
        ----------
        prediction : (batch, classes) or (batch, time, classes)
        target : integers (batch,) or (batch, time), or, with ``takes_probabilities``, of the prediction's shape
        lengths : (batch,) int64 or None
        backend : Backend
        sample_weight : (batch,) or (batch, time) float64 of the backend, or None

        Raises
        ------
        ShapeError, DTypeError, DataError
        """
        xp, shape = backend.xp, tuple(prediction.shape)
        labelled = self.look_at(prediction, target, lengths, backend, sample_weight)
        rows, classes, whole_number = math.prod(shape[:-1]), shape[-1], backend.dtype("int64")
        logits = backend.reshape(_as_float(prediction, backend), (rows, classes))
        if labelled:
            labels = backend.reshape(backend.astype(target, whole_number), (rows,))
        else:
            likely = xp.argmax(backend.reshape(backend.astype(target, logits.dtype), (rows, classes)), axis=-1)
            labels = backend.astype(likely, whole_number)
        counted = None
        if lengths is not None:
            counted = backend.reshape(within(lengths, shape[:-1], backend), (rows,))
        if labelled and self.ignore_index is not None:
            own = labels != self.ignore_index
            counted = own if counted is None else counted & own
        weight = None
        if sample_weight is not None:
            weight = spread(type(self).__name__, sample_weight, shape[:-1], None, backend)
            weight = backend.reshape(weight, (rows,))
            counted = weight > 0 if counted is None else counted & (weight > 0)
            weight = without(weight, counted, backend)
        if labelled and not backend.on_host:
            strange = (labels < 0) | (labels >= classes)
            strange = strange if counted is None else strange & counted
            self._strange = self._strange + xp.sum(backend.astype(strange, whole_number))
            self._classes, self._device = classes, backend
            labels = xp.where(strange, backend.zeros((), whole_number), labels)
        is_sound = backend.on_host and backend.all_finite(logits)
        return Rows(logits, labels, counted, None if is_sound else xp.isfinite(xp.max(logits, axis=-1)), weight)

    def look_at(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None = None,
    ) -> bool:
        """Return whether a batch's target holds labels, or raise; its values are looked at on the host alone."""
        shape = tuple(prediction.shape)
        if backend.on_host:
            weight = None if sample_weight is None else backend.to_numpy(sample_weight)
            self.check_target(backend.to_numpy(target), shape, lengths, weight)
        labelled = self.check_shapes(tuple(target.shape), shape, lengths)
        if labelled and not backend.is_integer(target):
            raise DTypeError(f"{type(self).__name__}: expected integer labels, got an array of {target.dtype}")
        return labelled

    def require_classes(self, strange: float | None = None) -> None:
        """Raise `DataError` where a device found labels that are none of the classes; waits, unless told how many."""
        if strange is None:
            strange = 0 if self._device is None else self._device.item(self._strange)
        if strange:
            name = type(self).__name__
            raise DataError(f"{name}: expected labels from 0 to {self._classes - 1}, got {int(strange)} others")


def _as_float(prediction: Array, backend: Backend) -> Array:
    return prediction if backend.is_float(prediction) else backend.astype(prediction, backend.dtype("float64"))
