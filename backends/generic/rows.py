"""Rows of a table by index: what an embedding and its optimizer need of an array module."""

from __future__ import annotations

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
        places = xp.arange(table.shape[0], dtype=ids.dtype)[:, None] == ids[None, :]
        new = xp.matmul(self.astype(places, table.dtype), rows)
        table[...] = xp.where(xp.any(places, axis=1)[:, None], new, table)

    def choose_rows(self, rows: Array, new: Array, old: Array) -> Array:
        """Return (batch, ...) with the new array's rows where ``rows`` (batch,) bool is true, else the old one's."""
        mask = self.reshape(self.asarray(rows), (new.shape[0], *(1,) * (new.ndim - 1)))
        return self.xp.where(mask, new, old)

    def sum_rows(self, ids: Array, rows: Array) -> tuple[Array, Array]:
        """Return the ids (n,), each once, and for each the sum of its rows (n, units)."""
        xp = self.xp
        unique = xp.unique_values(ids)
        return unique, xp.matmul(self.astype(unique[:, None] == ids[None, :], rows.dtype), rows)


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
