"""A file's rows as they stand in it, whatever its format: sequences that are checked, targets that are not yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.cli.memory import DEFAULT, require_memory
from lamina.cli.npz import NumpyArray

__all__ = ["Raw", "RawFile", "as_labels", "fill", "require_padded"]

_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")  # of more digits is no number that a label's dtype holds


@dataclass(frozen=True, eq=False)
class Raw:
    """Some rows.

    Attributes
    ----------
    x : ndarray of float, (batch, time, features)
    lengths : ndarray of int64, (batch,), or None
    y : ndarray or None
        The targets, as they are.
    label : str
        What the targets are called in messages.
    ids : tuple of str, or None
    """

    x: NumpyArray
    lengths: NumpyArray | None
    y: NumpyArray | None
    label: str
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class RawFile:
    """What is in a file.

    Attributes
    ----------
    train, test : Raw or None
        Of a file with one part it is ``train``.
    class_names : ndarray of str, or None
        What the labels 0, 1, ... are called.
    columns : dict
        Which columns were read as what.
    targets : tuple of str
        The names of targets that are numbers.
    """

    train: Raw | None
    test: Raw | None = None
    class_names: NumpyArray | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] = ()


def fill(
    rows: Sequence[NumpyArray], label: str = "rows", memory: int = DEFAULT
) -> tuple[NumpyArray, NumpyArray | None]:
    """Return (time_i, features) rows as one array, zero past each one's end, and their lengths; None where full.

    Raises
    ------
    DataError
        If the array would take more bytes than ``memory``.
    """
    lengths = np.array([len(row) for row in rows])
    require_padded(len(rows), int(lengths.max()), rows[0].shape[1], label, memory)
    x = np.zeros((len(rows), lengths.max(), *rows[0].shape[1:]), np.result_type(*rows))
    for place, row in enumerate(rows):
        x[place, : len(row)] = row
    return x, None if (lengths == lengths[0]).all() else lengths


def require_padded(rows: int, steps: int, features: int, label: str, memory: int) -> None:
    """Raise `DataError` where rows, each as long as the longest, would take more bytes than they may."""
    require_memory(8 * rows * steps * features, memory, label, f"({rows}, {steps}, {features}) numbers")


def as_labels(texts: Iterable[str], label: str = "labels", memory: int = DEFAULT) -> NumpyArray:
    """Return labels as an array: of whole numbers where all are, without loss, and of strings otherwise.

    Raises
    ------
    DataError
        If the strings, each of which takes what the longest does, would take more bytes than ``memory``.
    """
    found = list(texts)
    if found and all(map(_WHOLE.fullmatch, found)):
        numbers = [int(text) for text in found]
        for dtype in (np.int64, np.uint64):
            if np.iinfo(dtype).min <= min(numbers) and max(numbers) <= np.iinfo(dtype).max:
                return np.array(numbers, dtype)
    longest = max(map(len, found), default=0)
    require_memory(4 * longest * len(found), memory, label, f"{len(found)} labels of up to {longest} characters")
    return np.array(found, str)
