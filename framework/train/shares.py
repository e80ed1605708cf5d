"""Which rows of a batch a rank computes."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np

from lamina.data.shapes import Data

__all__ = ["Part", "Share", "mark_of"]


class Part(NamedTuple):
    """Where a rank's rows lie in the batch of all ranks.

    Attributes
    ----------
    first : int
        How many rows come before them.
    whole : int
        How many rows the batch has.
    mark : int
        By which the batch is known, where each rank has read all of it.
    """

    first: int
    whole: int
    mark: int = 0


class Share(NamedTuple):
    """A rank's share of every batch: rows that lie side by side, so that what is drawn for a row stays its own.

    Attributes
    ----------
    rank, size : int
    """

    rank: int
    size: int

    def cut(self, rows: int, lengths: Any = None) -> slice:
        """Return which rows of a batch are this rank's.

        Parameters
        ----------
        rows : int
        lengths : (rows,) integers, a tuple of them or None for each input, or None
            Where there are some, ranks get like numbers of steps, not of rows.

        Examples
        --------
        >>> [Share(rank, 2).cut(5) for rank in (0, 1)]
        [slice(0, 2, None), slice(2, 5, None)]
        >>> [Share(rank, 2).cut(5, np.array([9, 1, 2, 3, 3])) for rank in (0, 1)]
        [slice(0, 1, None), slice(1, 5, None)]
        """
        several = lengths if isinstance(lengths, tuple) else (lengths,)
        given = [own for own in several if own is not None]
        if not given:
            return slice(rows * self.rank // self.size, rows * (self.rank + 1) // self.size)
        # An empty row takes something too.
        ends = np.cumsum(sum(np.asarray(own, np.float64) for own in given) + 1e-3)
        total = ends[-1] if rows else 0.0
        before = np.concatenate([[0.0], ends])
        first, stop = (
            rows if part == self.size else int(np.argmin(np.abs(before - total * part / self.size)))
            for part in (self.rank, self.rank + 1)
        )
        return slice(first, stop)

    def part(self, rows: int, lengths: Any = None, mark: int = 0) -> tuple[slice, Part]:
        """Return which rows of a batch are this rank's, see `cut`, and of which whole they are."""
        own = self.cut(rows, lengths)
        return own, Part(own.start, rows, mark)


def mark_of(data: Data) -> int:
    """Return a number that other data hardly have: a sum of as many as there may be ranks is exact in float64."""
    mark = 0
    for value in (data.inputs, data.target, data.lengths, data.weights):
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None:
                mark = zlib.crc32(np.ascontiguousarray(one).data, mark)
    return mark
