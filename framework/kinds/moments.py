"""Mean and deviation of features, in float64, from one block of steps after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from lamina.core.host import as_host
from lamina.core.shapes import as_lengths
from lamina.errors import DataError, DTypeError, ShapeError

__all__ = ["Moments", "steps_of"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]

# How many numbers are made float64 together.
_CHUNK = 2**20


class Moments:
    """Mean and standard deviation, the latter divided by the number of steps.

    Blocks are joined as by Chan et al. (1979); what is kept of a block's squares is the root of their sum, so that none
    overflows.

    Attributes
    ----------
    steps : int, or float where they had weights
        How many there were.
    mean : ndarray of float64, (features,)

    Examples
    --------
    >>> moments = Moments(1)
    >>> moments.add(np.array([[1.0], [3.0]]))
    >>> moments.add(np.array([[8.0]]))
    >>> moments.steps, moments.mean.tolist(), (moments.deviation**2).round(6).tolist()
    (3, [4.0], [8.666667])
    """

    def __init__(self, features: int) -> None:
        self.steps: float = 0
        self.mean: NumpyArray = np.zeros(features)
        self._root: NumpyArray = np.zeros(features)

    def add(self, block: NumpyArray, weights: NumpyArray | None = None) -> None:
        """Take in a block (steps, features); with weights, (steps,), each step as often as its own says."""
        count = len(block) if weights is None else float(weights.sum())
        if not count:
            return
        block = block.astype(np.float64, copy=False)
        times = 1.0 if weights is None else weights[:, None]
        mean = block.mean(axis=0) if weights is None else (times * block).sum(axis=0) / count
        centred = block - mean
        unit = np.abs(centred).max(axis=0)
        unit[unit == 0] = 1.0
        root = unit * np.sqrt((times * np.square(centred / unit)).sum(axis=0))
        total, apart = self.steps + count, mean - self.mean
        between = apart * np.sqrt(self.steps * count / total)
        self._root = np.hypot(np.hypot(self._root, root), between)
        self.mean = self.mean + apart * (count / total)
        self.steps = total

    @property
    def deviation(self) -> NumpyArray:
        """The standard deviation, (features,)."""
        found: NumpyArray = self._root / np.sqrt(max(self.steps, 1))
        return found


def steps_of(label: str, x: Any, lengths: Any = None) -> Iterator[NumpyArray]:
    """Yield the valid steps of data as blocks (steps, features).

    Parameters
    ----------
    label : str
        In front of the messages.
    x : (batch, ..., features) array-like, or a list of (time_i, features) sequences
    lengths : (batch,) integers, optional

    Raises
    ------
    ShapeError, DTypeError, DataError
        If they are no such data, or hold NaN or infinity.
    """
    if isinstance(x, list) and lengths is None and x and not np.isscalar(x[0]):
        rows = [as_host(row, f"{label}: x at index {index}") for index, row in enumerate(x)]
        if any(row.ndim > 1 and row.shape != rows[0].shape for row in rows):
            for row in rows:
                if len(row):  # [] has no features to speak of
                    yield from steps_of(label, row[None])
            return
    array = as_host(x, label, f"{label}: expected a rectangular array or a list of sequences")
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"{label}: expected numbers, got an array of {array.dtype}")
    if array.ndim < 2:
        raise ShapeError(f"{label}: expected (batch, features) or (batch, time, features), got {array.shape}")
    if lengths is not None and array.ndim < 3:
        raise ShapeError(f"{label}: lengths need a time axis, got {array.shape}")
    valid = None
    if lengths is not None:
        own = as_lengths(lengths, array.shape[0], array.shape[1], label)
        valid = np.arange(array.shape[1]) < own[:, None]
    chunk = max(1, _CHUNK // max(1, array[:1].size))
    for start in range(0, len(array), chunk):
        part = array[start : start + chunk]
        if valid is not None:
            part = part[valid[start : start + chunk]]
        block = part.reshape(-1, array.shape[-1])
        if not np.isfinite(block).all():
            raise DataError(f"{label}: expected finite numbers, got {block[~np.isfinite(block)][0]}")
        yield block
