"""Metrics that keep every row: a figure of all at once, computed no oftener than it is worth its time."""

from __future__ import annotations

import copy
import math
import time
from typing import Any, Self

from lamina.metrics.metric import Metric

__all__ = ["Kept"]

# While batches still come, the figure is computed again once that cannot take more than this share of the time.
_SHARE = 0.05


class Kept(Metric):
    """A base class that keeps its batches until `reset`.

    A subclass hands to `keep` what nobody writes into, and defines `compute`.
    """

    def reset(self) -> None:
        """Forget all batches."""
        self._batches: list[Any] = []
        self._value: Any = math.nan
        self._is_new = False  # whether a batch came since the figure was computed
        self._rest_until = 0.0

    def keep(self, *arrays: Any) -> None:
        """Keep one batch."""
        self._batches.append(arrays)
        self._is_new = True

    def merge(self, other: Self) -> None:
        """Keep what another of its kind has kept too."""
        super().merge(other)
        self._batches = [*self._batches, *other._batches]
        self._is_new = bool(self._batches)

    def compute(self) -> Any:
        """Return the figure of all batches, of which there is one at least."""
        raise NotImplementedError(f"{type(self).__name__} does not define compute")

    def result(self) -> Any:
        """Return the figure of all rows; NaN where there are none."""
        if self._is_new:
            began = time.perf_counter()
            self._value = self.compute()
            self._is_new = False
            ended = time.perf_counter()
            self._rest_until = ended + (ended - began) / _SHARE
        return self._value

    def so_far(self) -> Any:
        """Return the latest figure, or, where none was computed for long enough, `result`."""
        return self.result() if time.perf_counter() >= self._rest_until else self._value

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # The arrays are never written into, so copies may share them.
        alone = copy.copy(self)
        for name, value in vars(self).items():
            if name != "_batches":
                setattr(alone, name, copy.deepcopy(value, memo))
        alone._batches = list(self._batches)
        return alone
