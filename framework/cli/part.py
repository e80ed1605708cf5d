"""Rows of data: what a command trains on or tries a model on, how some are held out, and known again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.cli.memory import DEFAULT
from lamina.cli.npz import NumpyArray
from lamina.errors import DataError

__all__ = ["Data", "Part", "fingerprint", "hold_out", "require_part", "require_range"]


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of the data.

    Attributes
    ----------
    x : ndarray, (batch, time, features)
    y : ndarray of int64, (batch,) or (batch, time); or of floats, (batch, outputs) or
        (batch, horizon, targets)
        Positions among the data's class names, 0 past a row's end; or numbers. Where the series itself is the target,
        it is not read, and is the positions of the rows.
    lengths : ndarray of int64, (batch,), or None
    ids : tuple of str, or None
        What the rows are called in a file of columns.
    """

    x: NumpyArray
    y: NumpyArray
    lengths: NumpyArray | None
    ids: tuple[str, ...] | None = None

    @property
    def valid(self) -> NumpyArray:
        """Return which steps are a row's own: (batch, time)."""
        steps = np.arange(self.x.shape[1])
        return steps < (np.full(len(self), len(steps)) if self.lengths is None else self.lengths)[:, None]

    @property
    def counted(self) -> NumpyArray:
        """Return which labels count, of ``y``'s shape: those of all rows, and of steps those that are a row's own."""
        return np.ones(len(self), bool) if self.y.ndim == 1 else self.valid

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: NumpyArray) -> Part:
        """Return some of the rows."""
        ids = None if self.ids is None else tuple(self.ids[row] for row in index)
        return Part(self.x[index], self.y[index], None if self.lengths is None else self.lengths[index], ids)


@dataclass(frozen=True, eq=False)
class Data:
    """What a command works on.

    Attributes
    ----------
    name : str
        The data set's name, or the file's without its ending.
    source : str
        As the user wrote it, for messages.
    train, test : Part or None
        A file's only part is ``train``; `hold_out` splits it.
    class_names : tuple of str
    numbered : bool
        Whether the class names are only the numbers that a file has as labels.
    columns : dict
        Which columns of a file are what, to read another one alike; empty where it has none.
    targets : tuple of str
        What numbers that are to be told are called.
    memory : int
        How many bytes what is made of them may take.
    """

    name: str
    source: str
    train: Part | None
    test: Part | None
    class_names: tuple[str, ...]
    numbered: bool = False
    columns: dict[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    memory: int = DEFAULT


def hold_out(part: Part, seed: int, share: float = 0.2, purpose: str = "test") -> tuple[Part, Part]:
    """Split rows into a part to train on and one to test on, class by class where each row has one.

    Of each class with at least two rows, a share drawn with the seed is held out: rounded, at least one and not
    all. Where rows have no class, so many of all rows are.

    Returns
    -------
    train, test : Part
        Both keep the order of the rows.

    Raises
    ------
    DataError
        If no class has two rows, or there are not two rows.
    """
    rng = np.random.default_rng(seed)
    held = np.zeros(len(part), bool)
    groups = part.y if part.y.ndim == 1 else np.zeros(len(part), int)
    order = np.argsort(groups, kind="stable")
    ends = np.flatnonzero(np.diff(groups[order])) + 1
    for rows in np.split(order, ends):  # of one class each, from the first on
        if len(rows) > 1:
            count = min(max(1, round(share * len(rows))), len(rows) - 1)
            held[rng.permutation(rows)[:count]] = True
    if not held.any():
        reason = "no class has two" if part.y.ndim == 1 else "there is one"
        raise DataError(f"too few rows to hold some out to {purpose} on: {reason}")
    return part.rows(np.flatnonzero(~held)), part.rows(np.flatnonzero(held))


def fingerprint(part: Part) -> str:
    """Return a checksum of a part's content, by which a file is known again under any name."""
    digest = hashlib.sha256()
    for array in (part.x, part.y, part.lengths):
        if array is not None:
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def require_part(part: Part | None, name: str, data: Data) -> Part:
    """Return the part, or raise `DataError` where the data have none of that name."""
    if part is None:
        raise DataError(f"{data.source!r}: there is no {name} part")
    return part


def require_range(x: NumpyArray, lengths: NumpyArray | None, dtype: str, label: str) -> None:
    """Raise `DataError` where a valid step holds a number that a model's dtype cannot.

    Parameters
    ----------
    x : (batch, time, features)
    lengths : (batch,), optional
    dtype : str
    label : str
        Whose numbers they are, for the message.
    """
    steps = x if lengths is None else x[np.arange(x.shape[1]) < lengths[:, None]]
    largest = np.abs(steps).max(initial=0)
    if largest > np.finfo(dtype).max:
        raise DataError(
            f"{label!r}: holds {largest:g}, too large for {dtype}: rescale the features, or use --dtype float64"
        )
