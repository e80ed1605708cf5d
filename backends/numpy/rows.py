"""NumPy's sums of rows by index: sorted first, then the first of each index, the second of each, and so on."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.generic.rows import IndexedRows, grouped

__all__ = ["NumPyRows"]

# np.add.reduceat, whose time goes with the number of indices, is faster up to so many of them for each time that adding
# the first row of each, the second of each, ... goes through them.
_INDICES = 16


class NumPyRows(IndexedRows):
    """Several times as fast as ``np.add.at`` at a few thousand rows."""

    def sum_rows(
        self, ids: np.ndarray[Any, Any], rows: Array, places: np.ndarray[Any, Any] | None = None
    ) -> tuple[np.ndarray[Any, Any], Array]:
        """Return the ids (n,), each once, and for each the sum of its rows (n, units)."""
        unique, order, counts = grouped(ids)
        if not len(ids):
            return unique, rows[:0]
        if places is not None:
            order = places[order]
        starts = np.cumsum(counts) - counts
        most = int(counts.max())
        if len(starts) < _INDICES * most:
            return unique, np.add.reduceat(rows[order], starts, axis=0)
        sums = rows[order[starts]]
        for place in range(1, most):
            more = np.flatnonzero(counts > place)
            sums[more] += rows[order[starts[more] + place]]
        return unique, sums
