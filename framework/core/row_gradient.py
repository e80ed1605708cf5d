"""The gradient of a table by rows: those that came last wait beside the array, until somebody looks at it."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.additions import addition_lock

__all__ = ["RowGradient"]

# Which rows are meant is kept on the host, where it is known first: what depends on it waits for no device.
Ids: TypeAlias = np.ndarray[Any, Any]


class RowGradient:
    """The gradient of one table (rows, units) in a storage, and which of its rows are not 0.

    New rows wait, as ids and rows, for an optimizer that takes them as they are. Whoever reads the array gets them
    added to it first, and its zeros outside the rows used are known still. Whoever gets an array to write into may
    keep it, and write at any time: from then on new rows are added at once, and what is not 0 is looked for.

    Parameters
    ----------
    backend : Backend
    array : Array (rows, units)
        A view of the storage's gradients.
    """

    def __init__(self, backend: Backend, array: Array) -> None:
        self._backend = backend
        self._array = array
        self._waiting: list[tuple[Ids, Array]] = []
        self._used: list[Ids] = []  # ids of rows that the array has
        self._lent = False  # whether somebody else may write into the array
        self._anywhere = False  # whether rows may be other than 0 that are not in `_used`

    def add(self, ids: Ids, rows: Array) -> None:
        """Add rows (n, units) at ids (n,), on the host, none of which repeats."""
        self._waiting.append((ids, rows))
        if self._lent:
            self.settle()

    def settle(self) -> Array:
        """Add to the array what waits, and return it, to be read."""
        backend, array = self._backend, self._array
        with addition_lock():  # another thread may be adding
            waiting, self._waiting = self._waiting, []
            for ids, rows in waiting:
                backend.add_rows(array, backend.constant(ids), rows)
                self._used.append(ids)
        return array

    def lend(self) -> Array:
        """Add to the array what waits, and return it, to be written into at any time."""
        self._lent = self._anywhere = True
        return self.settle() if self._waiting else self._array

    def zero(self) -> None:
        """Set all to 0."""
        backend, array, used = self._backend, self._array, self._used
        self._waiting, self._used = [], []
        if self._anywhere:
            array[...] = 0
        else:
            for ids in used:
                if len(ids) == array.shape[0]:
                    array[...] = 0
                    break
                backend.zero_rows(array, backend.constant(ids))
        self._anywhere = self._lent

    def scale(self, factor: float) -> None:
        """Multiply all by a number."""
        backend, array = self._backend, self._array
        if self._anywhere:
            array = self.settle()
            array *= factor
            return
        self._waiting = [(ids, rows * factor) for ids, rows in self._waiting]
        if self._used:
            ids = self._ids(self._used)
            backend.scale_rows(array, backend.constant(ids), factor)
            self._used = [ids]

    def rows(self) -> tuple[Array, Array, bool] | None:
        """Return the ids (n,) used, each once, their rows (n, units), and whether these are copies of the array's.

        A row is used that came by `add`, or that is not 0. None where all are.
        """
        backend, array = self._backend, self._array
        if not self._used and not self._anywhere:
            if len(self._waiting) > 1:
                several, parts = zip(*self._waiting, strict=True)
                self._waiting = [backend.sum_rows(np.concatenate(several), backend.concatenate(parts, 0))]
            if self._waiting:
                ids, rows = self._waiting[0]
                return backend.constant(ids), rows, False
            return backend.zeros((0,), backend.dtype("int64")), array[:0, ...], True
        self.settle()
        found = [backend.to_numpy(backend.nonzero_rows(array))] if self._anywhere else []
        ids = self._ids([*self._used, *found])
        self._used = [ids]
        if len(ids) == array.shape[0]:
            return None
        at = backend.constant(ids)
        return at, backend.take_rows(array, at), True

    def _ids(self, several: list[Ids]) -> Ids:
        """Return the ids in several arrays, each once."""
        return several[0] if len(several) == 1 else np.unique(np.concatenate(several))

    # A copy of the table: what it needs beside the array.

    def notes(self) -> dict[str, Any]:
        """Return which rows are used, what waits, and whether others may be other than 0."""
        return {"waiting": self._waiting, "used": self._used, "anywhere": self._anywhere}

    def follow(self, notes: dict[str, Any], source: Backend) -> None:
        """Be as another table's gradient was, whose array this one has, on the backend that its arrays come from."""
        backend, dtype = self._backend, self._array.dtype
        self._waiting = [(ids, backend.astype(backend.moved(rows, source), dtype)) for ids, rows in notes["waiting"]]
        self._used = list(notes["used"])
        self._anywhere = notes["anywhere"]
