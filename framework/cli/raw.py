"""A file's rows as they stand in it, whatever its format: sequences that are checked, targets that are not yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.cli.npz import NumpyArray

__all__ = ["Raw", "RawFile", "as_labels", "fill"]

_WHOLE = re.compile(r"[+-]?[0-9]+")


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


def fill(rows: Sequence[NumpyArray]) -> tuple[NumpyArray, NumpyArray | None]:
    """Return (time_i, ...) rows as one array, zero or empty past each one's end, and their lengths; None where full."""
    lengths = np.array([len(row) for row in rows])
    x = np.zeros((len(rows), lengths.max(), *rows[0].shape[1:]), np.result_type(*rows))
    for place, row in enumerate(rows):
        x[place, : len(row)] = row
    return x, None if (lengths == lengths[0]).all() else lengths


def as_labels(texts: Iterable[str]) -> NumpyArray:
    """Return labels as an array: of whole numbers where all are, without loss, and of strings otherwise."""
    found = list(texts)
    if found and all(map(_WHOLE.fullmatch, found)):
        numbers = [int(text) for text in found]
        for dtype in (np.int64, np.uint64):
            if np.iinfo(dtype).min <= min(numbers) and max(numbers) <= np.iinfo(dtype).max:
                return np.array(numbers, dtype)
    return np.array(found, str)
