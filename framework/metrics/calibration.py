"""Metrics of whether probabilities can be believed: expected calibration error, Brier score."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.arguments import flag, whole
from lamina.core.labels import as_label
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.metrics.labels import Labelled
from lamina.metrics.ratio import Ratio
from lamina.metrics.weights import spread, without

__all__ = ["BrierScore", "ExpectedCalibrationError"]


class _OfProbabilities(Labelled):
    """The base class of metrics of probabilities, of one output that is a yes or no or of classes."""

    higher_is_better = False
    from_logits: bool

    def yes_or_no(self, target: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Tell whether there is one logit alone, with a target of its shape."""
        return target == shape and (len(shape) == 1 or shape[-1] == 1)

    def likely(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None,
    ) -> tuple[Array, Array, Array | None]:
        """Return probabilities, what is actual and weights.

        Returns
        -------
        likely : (rows, classes) float64
            Of yes alone, (rows, 1), where there is one output. NaN where logits of a row that counts are; 0 where it
            does not count.
        actual : (rows, 1) float64 of yes or no, or (rows, classes) float64, 1 at the label
        weight : (rows, 1) float64, or None
            None where all rows count alike.
        """
        xp, double = backend.xp, backend.dtype("float64")
        shape = tuple(prediction.shape)
        weight: Array | None = None
        if self.yes_or_no(tuple(target.shape), shape):
            self.look_at(prediction, target, lengths, backend, sample_weight)
            scores = backend.astype(prediction, double)
            if sample_weight is not None:
                weight = spread(type(self).__name__, sample_weight, shape, lengths, backend)
            elif lengths is not None:
                weight = backend.zero_past(xp.ones_like(scores), lengths)
            scores = backend.reshape(scores, (-1, 1))
            actual = backend.astype(backend.reshape(backend.astype(target, double) > 0.5, (-1, 1)), double)
        else:
            rows = self.read(prediction, target, lengths, backend, sample_weight)
            weight = rows.weight
            if weight is None and rows.counted is not None:
                weight = backend.astype(rows.counted, double)
            scores = backend.astype(rows.logits, double)
            numbers = xp.arange(shape[-1], dtype=rows.labels.dtype)
            actual = backend.astype(rows.labels[:, None] == numbers[None, :], double)
        if weight is not None:
            weight = backend.reshape(weight, (-1, 1))
            scores = without(scores, weight > 0, backend)
        if not self.from_logits:
            return scores, actual, weight
        if scores.shape[1] == 1:
            return self._sigmoid(scores, backend), actual, weight
        largest = xp.max(scores, axis=1, keepdims=True)
        # An infinity that is the largest has no probability.
        powers = xp.exp(scores - xp.where(xp.isfinite(largest), largest, xp.full_like(largest, math.nan)))
        return powers / xp.sum(powers, axis=1, keepdims=True), actual, weight

    def _sigmoid(self, scores: Array, backend: Backend) -> Array:
        half = backend.xp.exp(-backend.xp.abs(scores))  # no power is above 1
        return backend.xp.where(scores > 0, backend.xp.ones_like(half), half) / (1.0 + half)


@register(aliases=("ece", "calibration_error"))
class ExpectedCalibrationError(_OfProbabilities):
    """How far confidence is from being right: sum over bins of (rows in it / rows) |share right - mean confidence|.

    The confidence of a row is its largest probability, which is right where the label is that class; rows are put in
    bins of equal width, (0, 1/bins], (1/bins, 2/bins] and so on (Naeini et al., 2015; Guo et al., 2017). Of one output
    that is a yes or no, the probability of yes takes the place of confidence, and being a yes that of being right. It
    is NaN where probabilities are.

    Parameters
    ----------
    bins : int
    from_logits : bool
        Whether predictions are logits, or else probabilities.
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count; see `Accuracy`.

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> sure = [[0.75, 0.25], [0.75, 0.25], [0.75, 0.25], [0.75, 0.25]]
    >>> ExpectedCalibrationError(from_logits=False)(sure, [0, 0, 1, 1])  # right half of the time
    0.25
    """

    def __init__(self, bins: int = 15, from_logits: bool = True, ignore_index: int | None = None) -> None:
        self.bins = whole(self, "bins", bins)
        self.from_logits = flag(self, "from_logits", from_logits)
        self.ignore_index = as_label(self, "ignore_index", ignore_index)
        self.reset()

    sums: ClassVar[tuple[str, ...]] = ("_sums",)

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self._sums: Any = 0  # (bins, 3) float64: rows, what they are sure of, and what is right
        self._backend: Backend | None = None

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
        likely, actual, weight = self.likely(prediction, target, lengths, backend, sample_weight)
        sure, right = likely, actual
        if likely.shape[1] > 1:
            sure = xp.max(likely, axis=1, keepdims=True)
            hit = xp.argmax(likely, axis=1) == xp.argmax(actual, axis=1)
            right = backend.astype(hit, actual.dtype)[:, None]
        edges = xp.arange(1, self.bins, dtype=sure.dtype) / self.bins
        number = xp.sum(xp.astype(sure > edges[None, :], sure.dtype), axis=1, keepdims=True)
        within = xp.astype(number == xp.arange(self.bins, dtype=sure.dtype)[None, :], sure.dtype)
        if weight is not None:
            within = within * weight
        each = backend.concatenate([xp.ones_like(sure), sure, right], 1)
        self._sums = self._sums + xp.matmul(within.T, each)
        self._backend = backend

    def result(self) -> float:
        """Return the figure; NaN where nothing was counted.

        Raises
        ------
        DataError
            If a device found labels that are none of the classes.
        """
        self.require_classes()
        if self._backend is None:
            return math.nan
        rows, sure, right = self._backend.to_numpy(self._sums).T
        total = rows.sum()
        return float(np.abs(right - sure).sum() / total) if total else math.nan


@register(aliases=("brier", "brier_score_loss"))
class BrierScore(_OfProbabilities, Ratio):
    """The mean squared distance of the probabilities from what came true (Brier, 1950).

    Of classes, sum over classes of (probability - 1 at the label, 0 elsewhere)^2, averaged over the rows, or steps,
    that count; of two classes half of it, which is that of class 1 alone, as of one output that is a yes or no. So
    does scikit-learn. It is NaN where probabilities are.

    Parameters
    ----------
    from_logits : bool
        Whether predictions are logits, or else probabilities.
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count; see `Accuracy`.

    Examples
    --------
    >>> BrierScore(from_logits=False)([[0.75], [0.5]], [[1], [0]])  # (1/16 + 1/4) / 2
    0.15625
    """

    def __init__(self, from_logits: bool = True, ignore_index: int | None = None) -> None:
        self.from_logits = flag(self, "from_logits", from_logits)
        self.ignore_index = as_label(self, "ignore_index", ignore_index)
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        Labelled.reset(self)
        Ratio.reset(self)

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
        likely, actual, weight = self.likely(prediction, target, lengths, backend, sample_weight)
        cost = (likely - actual) ** 2
        if likely.shape[1] == 2:
            cost = cost * 0.5
        if weight is None:
            self.add(backend, xp.sum(cost), likely.shape[0])
        else:
            self.add(backend, xp.sum(cost * weight), xp.sum(weight))

    def result(self) -> float:
        """Return the mean; NaN where nothing was counted.

        Raises
        ------
        DataError
            If a device found labels that are none of the classes.
        """
        self.require_classes()
        return Ratio.result(self)
