"""Mini-batches: rows gathered on the host and moved to a model's backend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.proven import proofs
from lamina.data.shapes import Data
from lamina.losses.loss import Loss

__all__ = ["Batch", "Mean", "batches", "count_batches"]


class Batch(NamedTuple):
    """Some rows, where the model is.

    Attributes
    ----------
    rows : float
        How many; of a chunk of the time axis, its share of them.
    inputs : tuple of arrays
    options : dict
        ``lengths``, on the host, where there are any; handed to the model by keyword.
    target : array or None
    """

    rows: float
    inputs: tuple[Array, ...]
    options: dict[str, Any]
    target: Array

    def note_proven(self, loss: Loss | None = None) -> None:
        """Note, for this thread and as long as it keeps proofs, that lengths and targets were looked at before."""
        lengths = self.options.get("lengths")
        if isinstance(lengths, np.ndarray):
            proofs.note(lengths, tuple(self.inputs[0].shape[:2]))
        if loss is not None:
            proofs.note(self.target, loss)


def count_batches(rows: int, size: int) -> int:
    """Return how many batches so many rows make, a smaller one at the end included."""
    return -(-rows // size)


def batches(data: Data, size: int, backend: Backend, order: np.ndarray[Any, Any] | None = None) -> Iterator[Batch]:
    """Yield the rows in batches of ``size``, the last one of what is left.

    Parameters
    ----------
    data : Data
        Checked, and in the model's dtype: nothing is converted here.
    size : int
    backend : Backend
    order : (rows,) integers, optional
        The order in which rows are taken; theirs if not given.
    """
    rows, inputs, target, lengths = data.rows, data.inputs, data.target, data.lengths
    several, asarray = isinstance(lengths, tuple), backend.asarray
    options: dict[str, Any] = {}
    for start in range(0, rows, size):
        stop = min(start + size, rows)
        pick: Any = slice(start, stop) if order is None else order[start:stop]
        if several:
            options = {"lengths": tuple(None if own is None else own[pick] for own in lengths)}
        elif lengths is not None:
            options = {"lengths": lengths[pick]}
        yield Batch(
            stop - start,
            tuple([asarray(array[pick]) for array in inputs]),
            options,
            None if target is None else asarray(target[pick]),
        )


class Mean:
    """The mean of batches' losses, weighted by rows; kept on the device until it is asked for."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._on_host = backend.on_host
        self._sum: Any = 0.0 if self._on_host else backend.zeros((), backend.dtype("float64"))
        self._rows = 0.0

    def add(self, loss: Array, rows: float) -> None:
        """Count one batch."""
        self._sum = self._sum + (self._backend.item(loss) if self._on_host else loss) * rows
        self._rows += rows

    def result(self) -> float:
        """Return the mean so far; waits for the device."""
        return self._backend.item(self._sum) / self._rows
