"""The data of a command: a data set that ships with Lamina, or a .npz file; labels become classes by name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lamina.cli.npz import NumpyArray, check_labels, check_lengths, check_sequences, read_arrays
from lamina.errors import ArgumentError, DataError, DTypeError

__all__ = ["FILE_HELP", "Data", "Part", "fingerprint", "hold_out", "read", "require_part", "require_range"]

FILE_HELP = """\
FILE.npz holds x (batch, time, features) and y (batch,), and where rows differ in length, lengths (batch,). Labels
are whole numbers or strings; class_names, an array of strings, says what the labels 0, 1, ... are called. A test
part is x_test, y_test and lengths_test; x_train, y_train and lengths_train are other names for the first three."""

_TRAIN_NAMES = ("x", "y", "lengths")
_NAMES = (
    *_TRAIN_NAMES,
    *(f"{name}_{part}" for part in ("train", "test") for name in _TRAIN_NAMES),
    "class_names",
)


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of the data.

    Attributes
    ----------
    x : ndarray, (batch, time, features)
    y : ndarray of int64, (batch,)
        Positions among the data's class names.
    lengths : ndarray of int64, (batch,), or None
    """

    x: NumpyArray
    y: NumpyArray
    lengths: NumpyArray | None

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: NumpyArray) -> Part:
        """Return some of the rows."""
        return Part(self.x[index], self.y[index], None if self.lengths is None else self.lengths[index])


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
    """

    name: str
    source: str
    train: Part | None
    test: Part | None
    class_names: tuple[str, ...]
    numbered: bool = False


def read(source: str) -> Data:
    """Return the data set of that name, or what is in that .npz file.

    Raises
    ------
    LaminaError
        If there is no such data set or file, or the file does not hold what it should.
    """
    path = Path(source)
    if path.suffix.lower() == ".npz":
        return _read_file(path, source)
    from lamina import datasets

    if path.suffix or len(path.parts) > 1:
        known = " or ".join(datasets.names())
        raise ArgumentError(f"expected the name of a data set ({known}) or a .npz file, got {source!r}")
    found = datasets.load(source, dtype="float64")
    return Data(
        name=found.name,
        source=found.name,
        train=Part(found.x_train, found.y_train, found.lengths_train),
        test=Part(found.x_test, found.y_test, found.lengths_test),
        class_names=found.class_names,
    )


def hold_out(part: Part, seed: int, share: float = 0.2) -> tuple[Part, Part]:
    """Split rows into a part to train on and one to test on, class by class.

    Of each class with at least two rows, a share drawn with the seed is held out: rounded, and at least one.

    Returns
    -------
    train, test : Part
        Both keep the order of the rows.

    Raises
    ------
    DataError
        If no class has two rows.
    """
    rng = np.random.default_rng(seed)
    held = np.zeros(len(part), bool)
    for label in np.unique(part.y):
        rows = np.flatnonzero(part.y == label)
        if len(rows) > 1:
            count = max(1, round(share * len(rows)))
            held[rng.permutation(rows)[:count]] = True
    if not held.any():
        raise DataError("too few rows to hold some out to test on: no class has two")
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


def _read_file(path: Path, source: str) -> Data:
    arrays = read_arrays(path, _NAMES)
    for name in _TRAIN_NAMES:
        if name in arrays and f"{name}_train" in arrays:
            raise DataError(f"{source!r}: holds both {name!r} and '{name}_train'; keep one of them")
        if f"{name}_train" in arrays:
            arrays[name] = arrays.pop(f"{name}_train")
    train = _read_part(arrays, "", source)
    test = _read_part(arrays, "_test", source)
    parts = [part for part in (train, test) if part is not None]
    if not parts:
        raise DataError(f"{source!r}: holds no sequences; expected arrays named x and y, got {_listed(sorted(arrays))}")
    if len({part.x.shape[2] for part in parts}) > 1:
        sizes = " and ".join(str(part.x.shape[2]) for part in parts)
        raise DataError(f"{source!r}: x and x_test have {sizes} features")
    if len({part.lengths is None for part in parts}) > 1:
        raise DataError(f"{source!r}: holds lengths for one of its two parts only")
    classes, numbered, parts = _name_classes(parts, arrays.get("class_names"), source)
    return Data(
        name=path.stem,
        source=source,
        train=None if train is None else parts[0],
        test=None if test is None else parts[-1],
        class_names=classes,
        numbered=numbered,
    )


def _read_part(arrays: dict[str, NumpyArray], ending: str, source: str) -> Part | None:
    x_name, y_name, lengths_name = (f"{name}{ending}" for name in _TRAIN_NAMES)
    x, y, lengths = arrays.get(x_name), arrays.get(y_name), arrays.get(lengths_name)
    if x is None and y is None and lengths is None:
        return None
    if x is None or y is None:
        missing = x_name if x is None else y_name
        raise DataError(f"{source!r}: holds no array {missing!r}; there are {_listed(sorted(arrays))}")
    x = check_sequences(x, f"{source!r}: {x_name}")
    lengths = check_lengths(lengths, x, f"{source!r}: {lengths_name}", f"{source!r}: {x_name}")
    return Part(x, check_labels(y, len(x), f"{source!r}: {y_name}"), lengths)


def _name_classes(parts: list[Part], names: NumpyArray | None, source: str) -> tuple[tuple[str, ...], bool, list[Part]]:
    """Return class names, whether they are mere numbers, and the parts with labels that count from 0."""
    if len({part.y.dtype.kind for part in parts}) > 1:
        raise DTypeError(f"{source!r}: y and y_test hold labels of two kinds, numbers and strings")
    if names is None:
        # The classes are those that the first part, the one to train on, has.
        values = np.unique(parts[0].y)
        labelled = []
        for part in parts:
            position = np.minimum(np.searchsorted(values, part.y), len(values) - 1)
            strange = np.flatnonzero(values[position] != part.y)
            if len(strange):
                row = int(strange[0])
                raise DataError(
                    f"{source!r}: y_test: label {part.y[row].item()!r} of row {row} occurs in no row to train on"
                )
            labelled.append(replace(part, y=position))
        return tuple(str(value) for value in values), values.dtype.kind != "U", labelled
    if names.dtype.kind != "U" or names.ndim != 1 or len(set(names.tolist())) != len(names):
        raise DataError(f"{source!r}: class_names: expected different strings in one row, got {names!r}")
    for part in parts:
        if part.y.dtype.kind == "U" or part.y.min() < 0 or part.y.max() >= len(names):
            raise DataError(f"{source!r}: expected labels from 0 to {len(names) - 1}, as there are class_names")
    return tuple(names.tolist()), False, parts


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
