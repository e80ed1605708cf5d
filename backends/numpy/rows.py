"""NumPy's sums of rows by index: sorted first, then the first of each index, the second of each, and so on."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.generic.rows import IndexedRows

__all__ = ["NumPyRows"]

# np.add.reduceat, whose time goes with the number of indices, is faster up to so many of them for each time that adding
# the first row of each, the second of each, ... goes through them.
_INDICES = 16


class NumPyRows(IndexedRows):
    """Several times as fast as ``np.add.at`` at a few thousand rows."""

    def sum_rows(self, ids: Array, rows: Array) -> tuple[Array, Array]:
        """Return the ids (n,), each once, and for each the sum of its rows (n, units)."""
        if not len(ids):
            return ids, rows
        order = np.argsort(ids, kind="stable")
        ordered = ids[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        counts = np.diff(starts, append=len(ids))
        most = int(counts.max())
        if len(starts) < _INDICES * most:
            return ordered[starts], np.add.reduceat(rows[order], starts, axis=0)
        sums = rows[order[starts]]
        for place in range(1, most):
            more = np.flatnonzero(counts > place)
            sums[more] += rows[order[starts[more] + place]]
        return ordered[starts], sums
