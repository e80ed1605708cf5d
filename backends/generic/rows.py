"""Rows of a table by index: what an embedding and its optimizer need of an array module."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.arrays import Array, ArrayOperations

__all__ = ["IndexedRows", "RowOperations", "grouped"]


class RowOperations(ArrayOperations):
    """Generic: through comparisons and products, as the array API standard has no assignment by index."""

    def take_rows(self, table: Array, ids: Array) -> Array:
        """Return the rows (*ids.shape, units) of a table (rows, units)."""
        flat = self.xp.take(table, self.reshape(ids, (-1,)), axis=0)
        return self.reshape(flat, (*ids.shape, table.shape[-1]))

    def put_rows(self, table: Array, ids: Array, rows: Array) -> None:
        """Set rows (n, units) of a table in place at ids (n,), none of which repeats."""
        xp = self.xp
        if not ids.shape[0]:
            return
        places = xp.arange(table.shape[0], dtype=ids.dtype)[:, None] == ids[None, :]
        new = xp.take(rows, xp.argmax(self.astype(places, xp.int8), axis=1), axis=0)
        table[...] = xp.where(xp.any(places, axis=1)[:, None], new, table)

    def add_rows(self, table: Array, ids: Array, rows: Array) -> None:
        """Add rows (n, units) to those of a table in place at ids (n,), none of which repeats."""
        self.put_rows(table, ids, self.take_rows(table, ids) + rows)

    def scale_rows(self, table: Array, ids: Array, factor: float) -> None:
        """Multiply the rows of a table in place at ids (n,), none of which repeats, by a number."""
        self.put_rows(table, ids, self.take_rows(table, ids) * factor)

    def zero_rows(self, table: Array, ids: Array) -> None:
        """Set the rows of a table in place at ids (n,) to 0."""
        self.put_rows(table, ids, self.zeros((ids.shape[0], table.shape[-1]), table.dtype))

    def choose_rows(self, rows: Array, new: Array, old: Array) -> Array:
        """Return (batch, ...) with the new array's rows where ``rows`` (batch,) bool is true, else the old one's."""
        mask = self.reshape(self.constant(rows), (new.shape[0], *(1,) * (new.ndim - 1)))
        return self.xp.where(mask, new, old)

    def sum_rows(
        self, ids: np.ndarray[Any, Any], rows: Array, places: np.ndarray[Any, Any] | None = None
    ) -> tuple[np.ndarray[Any, Any], Array]:
        """Return the ids, each once, and for each the sum of its rows.

        Which rows are added to which is settled on the host, where the ids are, so that a device is not waited for. The
        order is fixed: two rows of an id after the other, then two of these sums, and so on.

        Parameters
        ----------
        ids : (n,) integers, on the host
        rows : (n, units)
        places : (n,) integers, on the host, optional
            Where in ``rows``, which may have others too, each id's row is.
        """
        xp = self.xp
        unique, order, counts = grouped(ids)
        if places is not None:
            order = places[order]
        rounds = _pairs(order, counts, rows.shape[0])
        unique = unique.astype(np.int64, copy=False)
        unique.flags.writeable = False
        # With the ids behind it, which are asked for next: a device gets both at once.
        parts = [part for pair in rounds for part in pair] or [order]
        plan = self.asarray(np.concatenate([*parts, unique], dtype=np.int64))
        stop = plan.shape[0] - len(unique)
        self.note_constant(unique, plan[stop:])
        if not rounds:
            return unique, xp.take(rows, plan[:stop], axis=0)
        # A last row of zeros stands in where a row has no other: it stays 0, as it is added to itself.
        sums, start = xp.concat([rows, self.zeros((1, rows.shape[-1]), rows.dtype)], axis=0), 0
        for first, _ in rounds:
            stop = start + 2 * len(first)
            one, other = plan[start : start + len(first)], plan[start + len(first) : stop]
            sums, start = xp.take(sums, one, axis=0) + xp.take(sums, other, axis=0), stop
        return unique, sums[:-1, ...]

    def nonzero_rows(self, table: Array) -> Array:
        """Return the ids (n,) of the rows of a table that are not 0 everywhere."""
        return self.xp.nonzero(self.xp.any(table != 0, axis=-1))[0]


class IndexedRows(RowOperations):
    """For array modules with assignment by index, such as NumPy and CuPy: only the rows named are touched."""

    def take_rows(self, table: Array, ids: Array) -> Array:
        """Return the rows (*ids.shape, units) of a table (rows, units)."""
        return self.xp.take(table, ids, axis=0)

    def put_rows(self, table: Array, ids: Array, rows: Array) -> None:
        """Set rows (n, units) of a table in place at ids (n,), none of which repeats."""
        table[ids] = rows


def grouped(ids: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the ids (n,), each once and in order, the places that put them all in that order, and how many of each."""
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    begins = np.ones(len(ids), bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(begins)
    return ordered[starts], order, np.diff(starts, append=len(ids))


def _pairs(
    order: np.ndarray[Any, Any], counts: np.ndarray[Any, Any], zero: int
) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Return, for each round, which rows are added to which; none where no id repeats.

    The rows of an id stand side by side in ``order``; the row of zeros, at ``zero`` at first, is the last one after a
    round.
    """
    rounds = []
    while len(counts) and counts.max() > 1:
        halves = (counts + 1) // 2
        # Of each id the rows 0, 2, 4, ... and, where there is one, the row after each.
        within = np.arange(halves.sum()) - np.repeat(np.cumsum(halves) - halves, halves)
        first = np.repeat(np.cumsum(counts) - counts, halves) + 2 * within
        has_other = 2 * within + 1 < np.repeat(counts, halves)
        other = np.where(has_other, order[np.minimum(first + 1, len(order) - 1)], zero)
        rounds.append((np.append(order[first], zero), np.append(other, zero)))
        counts, order, zero = halves, np.arange(len(first)), len(first)
    return rounds
