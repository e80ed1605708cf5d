"""Data on their way from the host to where a backend computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from lamina.backends.arrays import Array, ArrayOperations

__all__ = ["Pick", "UploadOperations"]

# Which rows: some that lie side by side, or those at some places.
Pick: TypeAlias = "slice | np.ndarray[Any, Any]"


class UploadOperations(ArrayOperations):
    """Generic: the backend lies on the host, so that nothing is gained by bringing data early, or once.

    A backend of a device says how much memory there is, and brings rows while it computes.
    """

    def free_memory(self) -> int:
        """Return how many bytes new arrays may take on the device; 0 where arrays lie on the host."""
        return 0

    def upload(self, array: np.ndarray[Any, Any]) -> Array:
        """Return an array of the host, of any size, as one of this backend, to be read alone."""
        return self.asarray(array)

    def upload_rows(self, arrays: Sequence[np.ndarray[Any, Any]], picks: Sequence[Pick]) -> Iterator[tuple[Array, ...]]:
        """Yield the rows of some arrays for each pick, as arrays of this backend, to be read alone.

        A device gets the next rows while it works on those that came before. What was yielded stays what it is.

        Parameters
        ----------
        arrays : sequence of ndarray (rows, ...)
            Not to be changed before the last rows came.
        picks : sequence of slice, or of (n,) integers
            Within the rows.
        """
        for pick in picks:
            yield tuple([self.asarray(array[pick]) for array in arrays])
