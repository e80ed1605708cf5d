"""Metrics of how well scores order the rows: the area under the ROC curve, average precision."""

from __future__ import annotations

import math
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.arguments import flag, one_of
from lamina.core.labels import as_label
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.errors import ShapeError
from lamina.metrics.kept import Kept
from lamina.metrics.labels import Labelled
from lamina.metrics.ratio import require_shape
from lamina.metrics.weights import spread, within

__all__ = ["AveragePrecision", "ROCAUC", "RankAverage", "Ranking"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]
RankAverage: TypeAlias = Literal["macro", "micro", "weighted"]


class Ranking(Labelled, Kept):
    """A figure of the order that scores put the rows in, for each class or output against the rest."""

    def __init__(
        self,
        average: RankAverage | None = "macro",
        ignore_index: int | None = None,
        *,
        multi_label: bool = False,
        from_logits: bool = True,
    ) -> None:
        known = ("macro", "micro", "weighted")
        self.average = None if average is None else one_of(self, "average", average, known)
        self.ignore_index = as_label(self, "ignore_index", ignore_index)
        self.multi_label = flag(self, "multi_label", multi_label)
        self.from_logits = flag(self, "from_logits", from_logits)
        self.gives_array = average is None
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        Labelled.reset(self)
        Kept.reset(self)
        self._value = np.zeros(0) if self.gives_array else math.nan
        self._brought = 0  # how many batches are on the host already, of rows that count
        self._backend: Backend | None = None

    def merge(self, other: Self) -> None:
        """Keep what another of its kind has kept too: first what both have brought to the host."""
        ours, theirs = self._brought, other._brought
        own = list(self._batches)
        super().merge(other)
        self._batches = [*own[:ours], *other._batches[:theirs], *own[ours:], *other._batches[theirs:]]
        self._brought = ours + theirs

    def yes_or_no(self, target: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Tell whether each output is a yes or no: with ``multi_label``, or where there is one alone."""
        return self.multi_label or (target == shape and (len(shape) == 1 or shape[-1] == 1))

    def check_shapes(self, target: tuple[int, ...], shape: tuple[int, ...], lengths: Lengths | None) -> bool:
        """Return whether a target holds labels, or raise where it does not fit predictions of ``shape``."""
        if self.multi_label:
            require_shape(self, target, shape)
            if len(shape) < 2:
                raise ShapeError(f"{type(self).__name__}: expected predictions (batch, outputs), got {shape}")
        return super().check_shapes(target, shape, lengths)

    def update(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None = None,
    ) -> None:
        """Keep one batch, where it lies.

        Parameters
        ----------
        prediction : (batch, outputs) or (batch, time, outputs)
            Logits or probabilities, of one output that is a yes or no, of several, or of classes.
        target : array
            Of yes and no: of the prediction's shape, yes above 1/2. Of classes: integers (batch,) or (batch, time), or
            probabilities of the prediction's shape.
        lengths : (batch,) int64 or None
        backend : Backend
        sample_weight : (batch,) or (batch, time), or None
            How much each row, or step, counts; of weight 0 is what is as if it were not there.

        Raises
        ------
        ShapeError, DTypeError, DataError
            If the target has neither shape, or what counts are no labels of the classes and no probabilities.
        """
        shape, double = tuple(prediction.shape), backend.dtype("float64")
        if not self.yes_or_no(tuple(target.shape), shape):
            rows = self.read(prediction, target, lengths, backend, sample_weight)
            scores, actual, counted, weight = rows.logits, rows.labels, rows.counted, rows.weight
        else:
            self.look_at(prediction, target, lengths, backend, sample_weight)
            outputs = shape[-1] if len(shape) > 1 else 1
            scores = backend.reshape(prediction, (-1, outputs))
            actual = backend.reshape(backend.astype(target, double) > 0.5, (-1, outputs))
            counted, weight, steps = None, None, shape[: max(len(shape) - 1, 1)]
            if lengths is not None:
                counted = backend.reshape(within(lengths, steps, backend), (-1,))
            if sample_weight is not None:
                weight = backend.reshape(spread(type(self).__name__, sample_weight, steps, lengths, backend), (-1,))
        if backend.is_integer(scores):
            scores = backend.astype(scores, double)
        # Copies, as what is given may be written over.
        self.keep(backend.copy(scores), backend.copy(actual), counted, weight)
        self._backend = backend

    def result(self) -> Any:
        """Return the figure, or without an average one for each class; NaN where nothing tells it.

        Raises
        ------
        DataError
            If a device found labels that are none of the classes.
        """
        self.require_classes()
        return super().result()

    def compute(self) -> Any:
        """Return the figure of all batches, computed on the host."""
        scores, actual, weight = self._joined()
        classes = scores.shape[1]
        if actual.ndim == 1:
            if classes == 2 and self.average is not None:
                scores, actual, classes = self._of_two(scores), actual[:, None] == 1, 1
            else:
                scores = _softmax(scores) if self.from_logits else scores
                actual = actual[:, None] == np.arange(classes)
        if self.average == "micro":
            weight = np.repeat(weight, classes)
            scores, actual, classes = scores.reshape(-1, 1), actual.reshape(-1, 1), 1
        found = np.array([self._of_one(scores[:, one], actual[:, one], weight) for one in range(classes)])
        if self.average is None:
            return found
        amounts = weight @ actual
        tells = self.is_told(amounts, weight @ ~actual)
        if not tells.any():
            return math.nan
        return float(np.average(found[tells], weights=amounts[tells] if self.average == "weighted" else None))

    def _of_two(self, scores: NumpyArray) -> NumpyArray:
        """Return scores of class 1 of two, (rows, 1): logits' distance, as probabilities may be 1 for many of them."""
        if not self.from_logits:
            return scores[:, 1:]
        with np.errstate(invalid="ignore"):
            distance = scores[:, 1] - scores[:, 0]
        return np.where(np.isfinite(scores.max(axis=1)), distance, math.nan)[:, None]

    def _joined(self) -> tuple[NumpyArray, NumpyArray, NumpyArray]:
        """Return scores, what is actual and weights of the rows that count, on the host."""
        backend: Any = self._backend
        widths = sorted({batch[0].shape[1] for batch in self._batches})
        if len(widths) > 1:
            got = f"{widths[0]} and {widths[1]}"
            raise ShapeError(f"{type(self).__name__}: expected as many outputs in all batches, got {got}")
        parts = self._batches[: self._brought]
        there = self._batches[self._brought :]
        if there:
            scores, actual = (_brought([one[place] for one in there], backend) for place in (0, 1))
            weight = np.ones(len(scores))
            for place in (2, 3):  # whether they count, and how much
                given = [one[place] for one in there]
                if any(one is not None for one in given):
                    all_count = [backend.full((one[0].shape[0],), 1.0, backend.dtype("float64")) for one in there]
                    pairs = zip(given, all_count, strict=True)
                    weight = weight * _brought([full if one is None else one for one, full in pairs], backend)
            counted = weight > 0
            parts = [*parts, (scores.astype(np.float64)[counted], actual[counted], weight[counted])]
        scores, actual, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
        self._batches, self._brought = [(scores, actual, weight)], 1
        return scores, actual, weight

    def _of_one(self, scores: NumpyArray, actual: NumpyArray, weight: NumpyArray) -> float:
        """Return the figure of one class or output against the rest; NaN where a score is NaN."""
        if not self.is_told(weight @ actual, weight @ ~actual) or np.isnan(scores).any():
            return math.nan
        order = np.argsort(-scores, kind="stable")
        scores, actual, weight = scores[order], actual[order], weight[order]
        # Rows of one score come at once: whichever stands first is no matter.
        ends = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
        hits, misses = np.cumsum(weight * actual)[ends], np.cumsum(weight * ~actual)[ends]
        return self.figure(hits, misses)

    def is_told(self, yes: Any, no: Any) -> Any:
        """Tell whether there is a figure, where so much is a yes and so much a no."""
        raise NotImplementedError

    def figure(self, hits: NumpyArray, misses: NumpyArray) -> float:
        """Return the figure, from how many yes and no have a score of at least the first, the second ..."""
        raise NotImplementedError


def _softmax(logits: NumpyArray) -> NumpyArray:
    """Return probabilities; NaN where they are no numbers."""
    with np.errstate(invalid="ignore"):
        powers: NumpyArray = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def _brought(arrays: list[Array], backend: Backend) -> NumpyArray:
    """Return arrays of one backend as one on the host; of several dtypes, as float64."""
    if len({array.dtype for array in arrays}) > 1:
        arrays = [backend.astype(array, backend.dtype("float64")) for array in arrays]
    return backend.to_numpy(backend.concatenate(arrays, 0))


@register(aliases=("auc", "auroc", "roc_auc_score"))
class ROCAUC(Ranking):
    """The area under the ROC curve: how likely a yes has a higher score than a no, ties counting half.

    Exact, over all rows at once (Hanley and McNeil, 1982). So all are kept until `reset`, padding included: of n rows
    and k float32 outputs n (4 k + 8) bytes with labels, 5 n k where each output is a yes or no, and 8 n more with
    weights. They stay on a device until `result`, or, while an epoch runs, `so_far` asks for them; from then on they
    are on the host, in float64, where they are sorted. The figure shown while an epoch runs may be that of a moment
    ago.

    Of one output, or of two classes, it is that of yes against no. Of more classes, each against the rest (from their
    probabilities); a class that no row is of, or all are, is NaN, and no part of an average.

    Parameters
    ----------
    average : {"macro", "micro", "weighted"} or None
        Of the classes or outputs: their mean; all rows of all of them as one; the mean, each by how many are of it; or
        None, an array with a figure for each.
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count; see `Accuracy`.
    multi_label : bool
        Whether each output is a yes or no of its own: targets have the prediction's shape.
    from_logits : bool
        Whether predictions are logits, or else probabilities; of yes and no, either will do.

    Examples
    --------
    >>> ROCAUC()([[0.1], [0.4], [0.35], [0.8]], [[0], [0], [1], [1]])
    0.75
    """

    name = "roc_auc"

    def is_told(self, yes: Any, no: Any) -> Any:
        """Tell whether there is a yes and a no."""
        return (yes > 0) & (no > 0)

    def figure(self, hits: NumpyArray, misses: NumpyArray) -> float:
        """Return the area under hits over misses, by trapezoids."""
        widths = np.diff(misses, prepend=0.0)
        heights = hits - np.diff(hits, prepend=0.0) / 2
        return float(widths @ heights / (hits[-1] * misses[-1]))


@register(aliases=("average_precision_score", "pr_auc"))
class AveragePrecision(Ranking):
    """The mean of the precisions at each yes, from the highest score down: sum (recall_k - recall_{k-1}) precision_k.

    As scikit-learn's: no trapezoids, which would flatter (Davis and Goadrich, 2006). Rows are kept as for `ROCAUC`,
    and so are two classes, several, or several labels read. A class that no row is of is NaN, and no part of an
    average.

    Parameters
    ----------
    average, ignore_index, multi_label, from_logits : as for `ROCAUC`

    Examples
    --------
    >>> AveragePrecision()([[0.1], [0.4], [0.35], [0.8]], [[0], [0], [1], [1]])  # 1/2 of 1, 1/2 of 2/3
    0.8333333333333333
    """

    def is_told(self, yes: Any, no: Any) -> Any:
        """Tell whether there is a yes."""
        return yes > 0

    def figure(self, hits: NumpyArray, misses: NumpyArray) -> float:
        """Return the mean precision over what each threshold adds to the recall."""
        added = np.diff(hits, prepend=0.0)
        return float(added @ (hits / (hits + misses)) / hits[-1])
