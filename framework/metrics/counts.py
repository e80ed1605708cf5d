"""Metrics of what was taken for what: precision, recall, F1, F-beta."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.arguments import number
from lamina.core.registry import register
from lamina.metrics.counting import Average, Counts

__all__ = ["F1", "FBeta", "Precision", "Recall"]

NumpyArray = np.ndarray[Any, Any]


@register(aliases=("precision_score",))
class Precision(Counts):
    """Of what was taken for a class, the share that is of it; 0 where nothing was.

    Parameters
    ----------
    average : {"binary", "macro", "micro", "weighted"} or None
        Binary: of logits with a target of their shape, as `BinaryCrossEntropy` takes them, what is likelier than
        ``threshold`` is a yes; all outputs count together. Of two logits with integer labels, class 1 is the yes.
        Macro: the mean over the classes that occur, among labels or predictions. Weighted: that mean, each class by
        how many are of it. Micro: the counts of all classes together. None: an array with a figure for each class.
        A row whose logits are NaN, or the largest an infinity, is taken for no class, which counts as a
        class of its own that is never right; of yes and no, NaN is taken for what is not so.
    threshold : float
        A probability, between 0 and 1, for yes and no.
    ignore_index : int, optional
        A label that marks rows, or steps, that do not count; see `Accuracy`.
    multi_label : bool
        Whether each output is a yes or no of its own, which a row may have several of: targets have the prediction's
        shape, and averages are over all outputs.
    from_logits : bool
        Whether predictions are logits, or else probabilities: what ``threshold`` is compared with.

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> Precision()([[2.0], [1.0], [-1.0]], [[1], [0], [1]])
    0.5
    >>> Precision(None, multi_label=True)([[2.0, 1.0], [1.0, -1.0]], [[1, 1], [0, 1]])
    array([0.5, 1. ])
    """

    def ratio(self, hits: NumpyArray, predicted: NumpyArray, actual: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        """Return hits and what was predicted."""
        return hits, predicted


@register(aliases=("recall_score",))
class Recall(Counts):
    """Of what is of a class, the share that was taken for it; 0 where nothing is.

    Parameters
    ----------
    average, threshold, ignore_index, multi_label, from_logits : as for `Precision`

    Examples
    --------
    >>> Recall(average="macro")([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]], [0, 1, 1])
    0.75
    """

    def ratio(self, hits: NumpyArray, predicted: NumpyArray, actual: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        """Return hits and what there was."""
        return hits, actual


@register(aliases=("f1_score",))
class F1(Counts):
    """The harmonic mean of precision and recall: 2 hits / (predicted + actual).

    Its macro average is the mean of the classes' F1.

    Parameters
    ----------
    average, threshold, ignore_index, multi_label, from_logits : as for `Precision`

    Examples
    --------
    >>> F1()([[2.0], [1.0], [-1.0]], [[1], [0], [1]])
    0.5
    """

    def ratio(self, hits: NumpyArray, predicted: NumpyArray, actual: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        """Return twice the hits, and what was predicted and what there was together."""
        return 2 * hits, predicted + actual


@register(aliases=("fbeta", "fbeta_score"))
class FBeta(Counts):
    """The weighted harmonic mean of precision and recall: (1 + beta^2) hits / (predicted + beta^2 actual).

    With beta above 1, recall matters more (van Rijsbergen, 1979); with 1, it is `F1`.

    Parameters
    ----------
    beta : float
        0 or more.
    average, threshold, ignore_index, multi_label, from_logits : as for `Precision`

    Raises
    ------
    ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> FBeta(2.0)([[2.0], [1.0], [1.0], [-1.0]], [[1], [0], [0], [0]])  # 5 hits / (3 predicted + 4 of 1 actual)
    0.7142857142857143
    """

    def __init__(
        self,
        beta: float = 1.0,
        average: Average | None = "binary",
        threshold: float = 0.5,
        ignore_index: int | None = None,
        *,
        multi_label: bool = False,
        from_logits: bool = True,
    ) -> None:
        self.beta = number(self, "beta", beta, least=0)
        super().__init__(average, threshold, ignore_index, multi_label=multi_label, from_logits=from_logits)

    def ratio(self, hits: NumpyArray, predicted: NumpyArray, actual: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        """Return what the class says."""
        square = self.beta**2
        return (1 + square) * hits, predicted + square * actual
