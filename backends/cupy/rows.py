"""Rows of a table by index on CUDA: one launch each, after one upload of what is known on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.cupy.compiled import THREADS, grid_over
from lamina.backends.cupy.segments import SegmentKernels, dense
from lamina.backends.generic.rows import IndexedRows, grouped

__all__ = ["CuPyRows"]

_WIDTH = 32  # columns that a block takes
_FILE = "rows.cu"

Ids = np.ndarray[Any, Any]


class CuPyRows(SegmentKernels, IndexedRows):
    """What is added to what is settled on the host, and goes to the device as one small array."""

    def sum_rows(self, ids: Ids, rows: Array, places: Ids | None = None) -> tuple[Ids, Array]:
        """Return the ids (n,), each once, and for each the sum of its rows (n, units); as the generic kernel.

        Rows of an id that many threads share are added lane by lane, then two and two: in an order that depends on how
        often ids occur, and on nothing else.
        """
        rows = self.contiguous(rows)
        if not dense([rows]) or not len(ids) or not rows.size:
            return super().sum_rows(ids, rows, places)
        unique, order, counts = grouped(ids)
        if places is not None:
            order = places[order]
        count, units = len(unique), rows.shape[-1]
        plan = np.empty(len(order) + 2 * count + 1, np.int64)
        at_order, at_starts, at_ids = plan[: len(order)], plan[len(order) : -count], plan[-count:]
        at_order[:], at_starts[0], at_ids[:] = order, 0, unique
        np.cumsum(counts, out=at_starts[1:])
        uploaded = self.xp.asarray(plan)
        unique = np.array(unique, np.int64)
        unique.setflags(write=False)
        self.note_constant(unique, uploaded[-count:], as_it_lies=True)
        width = min(_power_of_two(units), _WIDTH)
        lines = THREADS // width
        lanes = min(_power_of_two(int(counts.max())), lines)
        sums = self.empty((count, units), rows.dtype)
        grid = (-(-count * lanes // lines), -(-units // width))
        sizes = (np.int64(count), np.int64(units), np.int32(lanes))
        kernel = self.kernel("sum_rows", _FILE, rows.dtype)
        kernel(grid, (width, lines), (rows, uploaded, uploaded[len(order) :], sums, *sizes))
        return unique, sums

    def add_rows(self, table: Array, ids: Array, rows: Array) -> None:
        """Add rows (n, units) to those of a table in place at ids (n,), none of which repeats."""
        if not dense([table, rows]) or not self._change("add_rows", table, ids, rows):
            super().add_rows(table, ids, rows)

    def scale_rows(self, table: Array, ids: Array, factor: float) -> None:
        """Multiply the rows of a table in place at ids (n,), none of which repeats, by a number."""
        if not dense([table]) or not self._change("scale_rows", table, ids, table.dtype.type(factor)):
            super().scale_rows(table, ids, factor)

    def zero_rows(self, table: Array, ids: Array) -> None:
        """Set the rows of a table in place at ids (n,) to 0."""
        if not dense([table]) or not self._change("zero_rows", table, ids):
            super().zero_rows(table, ids)

    def _change(self, name: str, table: Array, ids: Array, *arguments: Any) -> bool:
        """Launch a kernel over rows of a table, or tell that it does not take these ids."""
        if ids.dtype != np.int64 or not ids.flags.c_contiguous:
            return False
        elements, units = ids.size * table.shape[-1], np.int64(table.shape[-1])
        if elements:
            kernel = self.kernel(name, _FILE, table.dtype)
            kernel(grid_over(elements), (THREADS,), (table, ids, *arguments, np.int64(elements), units))
        return True


def _power_of_two(number: int) -> int:
    """Return the least power of two that is not below a number from 1 on."""
    return 1 << (number - 1).bit_length()
