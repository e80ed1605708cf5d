"""NumPy's sums of rows by index: sorted first, so that each sum runs over neighbours."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.rows import IndexedRows

__all__ = ["NumPyRows"]


class NumPyRows(IndexedRows):
    """Two to three times as fast as ``np.add.at`` at a few thousand rows."""

    def sum_rows(self, ids: Array, rows: Array) -> tuple[Array, Array]:
        """Return the ids (n,), each once, and for each the sum of its rows (n, units)."""
        if not len(ids):
            return ids, rows
        order = np.argsort(ids, kind="stable")
        ordered = ids[order]
        first = np.empty(len(ids), bool)
        first[0] = True
        np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
        return ordered[first], np.add.reduceat(rows[order], np.flatnonzero(first), axis=0)
