"""One rate at the threshold where another is what it has to be: recall at a precision, and the like."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.arguments import number, one_of
from lamina.core.registry import register
from lamina.errors import ArgumentError
from lamina.metrics.ranking import NumpyArray, RankAverage, Ranking

__all__ = ["RateAt"]

_RATES = ("recall", "precision", "specificity")


@register
class RateAt(Ranking):
    """The best value of one rate over all thresholds at which another is at least so much.

    With H and M of all yes and no above a threshold, of Y and N, recall is H / Y (sensitivity), precision
    H / (H + M), 0 above all scores, and specificity 1 - M / N. Exact: each score is a threshold, and so is one above
    them all. It is 0 where no threshold will do. Rows are kept as for `ROCAUC`, and so are two classes, several, or
    several labels read; a class that no row is of is NaN, or with the specificity one that all rows are of, and no
    part of an average.

    Parameters
    ----------
    rate : {"recall", "precision", "specificity"}
        What is told.
    where : {"recall", "precision", "specificity"}
        The other, that has to be
    least : float
        this, from 0 to 1, or more.
    average, ignore_index, multi_label, from_logits : as for `ROCAUC`

    Raises
    ------
    UnknownNameError
        If there is no such rate.
    ArgumentError
        If both are the same, or the least is out of range.

    Examples
    --------
    >>> metric = RateAt("recall", "precision", 0.6)
    >>> metric([[0.1], [0.4], [0.35], [0.8]], [[0], [0], [1], [1]])  # from 0.35 up: both yes, and one no
    1.0
    >>> metric.name
    'recall_at_precision'
    """

    def __init__(
        self,
        rate: str = "recall",
        where: str = "precision",
        least: float = 0.5,
        average: RankAverage | None = "macro",
        ignore_index: int | None = None,
        *,
        multi_label: bool = False,
        from_logits: bool = True,
    ) -> None:
        self.rate = one_of(self, "rate", rate, _RATES)
        self.where = one_of(self, "where", where, _RATES)
        if self.rate == self.where:
            raise ArgumentError(f"RateAt: expected where to be another than rate, got {where!r} for both")
        self.least = number(self, "least", least, least=0, most=1)
        self.name = f"{self.rate}_at_{self.where}"
        super().__init__(average, ignore_index, multi_label=multi_label, from_logits=from_logits)

    def is_told(self, yes: Any, no: Any) -> Any:
        """Tell whether there is a yes, and with the specificity a no."""
        return (yes > 0) & ((no > 0) | ("specificity" not in (self.rate, self.where)))

    def figure(self, hits: NumpyArray, misses: NumpyArray) -> float:
        """Return the best of the one rate where the other is enough."""
        hits, misses = np.append(0.0, hits), np.append(0.0, misses)
        above = hits + misses
        rates = {
            "recall": hits / hits[-1],
            "precision": np.divide(hits, above, out=np.zeros_like(hits), where=above > 0),
            "specificity": 1 - misses / misses[-1] if misses[-1] else misses,
        }
        enough = rates[self.where] >= self.least
        return float(rates[self.rate][enough].max(initial=0.0))
