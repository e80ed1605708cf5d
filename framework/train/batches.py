"""Mini-batches: rows gathered on the host and moved to a model's backend."""

from __future__ import annotations

import math
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
    rows : int
        How many.
    inputs : tuple of arrays
    options : dict
        ``lengths``, on the host, where there are any; handed to the model by keyword.
    target : array or None
    counted : ndarray or None
        The target on the host, where what counts in it is found without waiting for a device.
    hosts : tuple of ndarray
        The inputs on the host, where integers are looked at without waiting.
    """

    rows: int
    inputs: tuple[Array, ...]
    options: dict[str, Any]
    target: Array
    counted: Any = None
    hosts: tuple[Any, ...] = ()

    def note_proven(self, loss: Loss | None = None) -> None:
        """Note, for this thread and as long as it keeps proofs, what was looked at before, and what integers hold."""
        lengths = self.options.get("lengths")
        if isinstance(lengths, np.ndarray):
            proofs.note(lengths, tuple(self.inputs[0].shape[:2]))
        if loss is not None:
            proofs.note(self.target, loss)
        for array, host in zip(self.inputs, self.hosts, strict=False):
            if host.dtype.kind in "iu":
                proofs.note_host(array, host)


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
        on_host = None if target is None else target[pick]
        hosts = tuple([array[pick] for array in inputs])
        yield Batch(
            stop - start,
            tuple([asarray(array) for array in hosts]),
            options,
            None if on_host is None else asarray(on_host),
            on_host,
            hosts,
        )


class Mean:
    """The mean of batches' losses, weighted by the terms that each is a mean over, see `Loss.terms`.

    So it is that of all rows in one batch, however they were cut. It is kept on the device until it is asked for.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._on_host = backend.on_host
        self._double = backend.dtype("float64")
        self._sum: Any = 0.0 if self._on_host else backend.zeros((), self._double)
        self._terms = 0.0

    def add(self, loss: Array, terms: float) -> None:
        """Count one batch; one without terms counts nothing, whatever its loss."""
        if terms:
            backend = self._backend
            value = backend.item(loss) if self._on_host else backend.astype(loss, self._double)
            self._sum = self._sum + value * terms
            self._terms += terms

    def result(self) -> float:
        """Return the mean so far, NaN where nothing was counted; waits for the device."""
        return self._backend.item(self._sum) / self._terms if self._terms else math.nan
