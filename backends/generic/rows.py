"""Rows of a table by index: what an embedding and its optimizer need of an array module."""

from __future__ import annotations

import math

from lamina.backends.arrays import Array, ArrayOperations

__all__ = ["IndexedRows", "RowOperations"]


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

    def choose_rows(self, rows: Array, new: Array, old: Array) -> Array:
        """Return (batch, ...) with the new array's rows where ``rows`` (batch,) bool is true, else the old one's."""
        mask = self.reshape(self.asarray(rows), (new.shape[0], *(1,) * (new.ndim - 1)))
        return self.xp.where(mask, new, old)

    def sum_rows(self, ids: Array, rows: Array) -> tuple[Array, Array]:
        """Return the ids (n,), each once, and for each the sum of its rows (n, units)."""
        xp = self.xp
        unique = xp.unique_values(ids)
        chosen = self.astype(unique[:, None] == ids[None, :], rows.dtype)
        finite = xp.isfinite(rows)
        if bool(xp.all(finite)):
            return unique, xp.matmul(chosen, rows)
        # In a product what is not finite would come into every sum, as 0 times infinity is NaN.
        zeros = xp.zeros_like(rows)
        sums = xp.matmul(chosen, xp.where(finite, rows, zeros))
        for value in (math.inf, -math.inf):
            has = xp.matmul(chosen, self.astype(rows == value, rows.dtype)) > 0
            sums = xp.where(has, sums + value, sums)
        has = xp.matmul(chosen, self.astype(xp.isnan(rows), rows.dtype)) > 0
        return unique, xp.where(has, xp.full_like(sums, math.nan), sums)

    def distinct(self, ids: Array) -> Array:
        """Return the ids (n,), each once."""
        return self.xp.unique_values(ids)

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

    def sum_rows(self, ids: Array, rows: Array) -> tuple[Array, Array]:
        """Return the ids (n,), each once, and for each the sum of its rows (n, units)."""
        unique, inverse = self.xp.unique(ids, return_inverse=True)
        sums = self.zeros((len(unique), rows.shape[-1]), rows.dtype)
        self.xp.add.at(sums, inverse.reshape(-1), rows)
        return unique, sums

    def distinct(self, ids: Array) -> Array:
        """Return the ids (n,), each once."""
        return self.xp.unique(ids)
