"""Sequences read from a .npz file: checked, or refused with one line that says what to change."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lamina.cli.memory import DEFAULT, require_memory
from lamina.cli.messages import one_line
from lamina.cli.npz_member import NumpyArray, describe, foreign, read_items
from lamina.cli.opening import open_data
from lamina.core.shapes import as_lengths
from lamina.errors import DataError, DTypeError, ShapeError, unknown

__all__ = ["NumpyArray", "check_labels", "check_lengths", "check_sequences", "read_arrays"]

# What the list of a .npz file's arrays may take, in bytes: of some few arrays it takes some hundred.
_LONGEST_LIST = 1 << 20
_LONGEST_NAME = 60


def read_arrays(path: Path, known: Collection[str], limit: int = DEFAULT) -> dict[str, NumpyArray]:
    """Return the arrays of a .npz file by name, in the machine's byte order; nothing in it is ever unpickled.

    What each array says of itself is read first, and held to what its file says and to the limit; only then is any
    of them read, and not a byte more than that.

    Parameters
    ----------
    path : Path
    known : collection of str
        The names that mean something here: any other would be left out unseen, so it is refused.
    limit : int
        How many bytes the arrays may take, all together.

    Raises
    ------
    DataError
        If there is no such file, it is not a .npz file of plain arrays, or they take more than that.
    UnknownNameError
        If an array has another name; the message gives the nearest match.
    """
    source = str(path)
    with open_data(path, source, ".npz") as file:
        listed = _Listed(file, source)
        with foreign(source):
            if not zipfile.is_zipfile(listed):
                raise ValueError("write one with numpy.savez(path, x=x, y=y)")
            listed.seek(0)
            archive = zipfile.ZipFile(listed)
        with archive:
            listed.most = None
            members = [describe(archive, entry, name, source) for name, entry in _names(archive, known, source)]
            require_memory(sum(member.memory for member in members), limit, repr(source), "its arrays")
            return {member.name: read_items(archive, member, source) for member in members}


def _names(archive: zipfile.ZipFile, known: Collection[str], source: str) -> list[tuple[str, zipfile.ZipInfo]]:
    """Return the arrays by name; each of them is known, and there is one of it."""
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename.removesuffix(".npy")
        if name not in known:
            raise unknown(f"array in {source!r}:", one_line(name, _LONGEST_NAME), known)
        if name in found:
            raise DataError(f"{source!r}: holds two arrays named {name!r}; keep one of them")
        found[name] = entry
    return list(found.items())


class _Listed:
    """A file for zipfile, which reads the list of what is in it whole, however long it says that it is."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        self.file, self.source = file, source
        self.most: int | None = _LONGEST_LIST
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, or all that are left; no more than `most` at once, unless that is None."""
        if self.most is None:
            return self.file.read(size)
        content = self.file.read(self.most + 1 if size < 0 else min(size, self.most + 1))
        if len(content) > self.most:
            raise DataError(f"{self.source!r}: no readable .npz file (its list of arrays has over {self.most} bytes)")
        return content


def check_sequences(x: NumpyArray, label: str) -> NumpyArray:
    """Return sequences as a float array.

    Raises
    ------
    DTypeError, ShapeError
        If they are no numbers, or not (batch, time, features) with at least one of each.
    """
    if x.dtype.kind not in "fiub":
        raise DTypeError(f"{label}: expected numbers, got an array of {x.dtype}")
    if x.ndim != 3 or 0 in x.shape:
        raise ShapeError(f"{label}: expected (batch, time, features), none of them 0, got {x.shape}")
    if x.dtype.kind == "f" and x.dtype.itemsize in (4, 8):
        return x.astype(x.dtype.newbyteorder("="), copy=False)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told with its place
        return x.astype(np.float64)


def check_lengths(lengths: NumpyArray | None, x: NumpyArray, label: str, x_label: str) -> NumpyArray | None:
    """Return the lengths of the rows of ``x``, whose valid steps are checked to be finite.

    Raises
    ------
    DTypeError, ShapeError
        If the lengths are not whole numbers, one for each row, within the time axis.
    DataError
        If a valid step holds NaN or an infinity. What lies past a row's end is never read.
    """
    checked = None if lengths is None else as_lengths(lengths, len(x), x.shape[1], label)
    wrong = ~np.isfinite(x).all(axis=2)
    if checked is not None:
        wrong &= np.arange(x.shape[1]) < checked[:, None]
    if wrong.any():
        row, step = (int(index) for index in np.argwhere(wrong)[0])
        feature = int(np.flatnonzero(~np.isfinite(x[row, step]))[0])
        value = x[row, step, feature]
        raise DataError(f"{x_label}: expected finite numbers, got {value} at row {row}, step {step}, feature {feature}")
    return checked


def check_labels(y: NumpyArray, rows: int, label: str) -> NumpyArray:
    """Return labels, one for each row: strings, or whole numbers as int64, or uint64 where only that holds them.

    Raises
    ------
    DTypeError, ShapeError
    """
    if y.dtype.kind not in "iubU":
        raise DTypeError(f"{label}: expected whole numbers or strings as labels, got an array of {y.dtype}")
    if y.shape != (rows,):
        raise ShapeError(f"{label}: expected {rows} labels, one for each row, got shape {y.shape}")
    if y.dtype.kind == "U" or (y.dtype.kind == "u" and y.max(initial=0) > np.iinfo(np.int64).max):
        return y
    return y.astype(np.int64)
