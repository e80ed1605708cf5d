"""What a task makes of the targets in a file: labels become positions among classes by name, numbers stay numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lamina.cli.messages import quoted
from lamina.cli.npz import NumpyArray, check_labels
from lamina.cli.part import Data, Part
from lamina.cli.raw import Raw, RawFile
from lamina.errors import DataError, DTypeError, ShapeError

__all__ = ["as_data"]


def as_data(found: RawFile, task: str, source: str) -> Data:
    """Return what is in a file, for a task.

    Raises
    ------
    DTypeError, ShapeError, DataError
        If the targets are not what the task takes: a label for each row to classify it, one for each step to tag it,
        numbers for each row to regress it.
    """
    raws = [raw for raw in (found.train, found.test) if raw is not None]
    given: dict[str, Any] = {"name": Path(source).stem, "source": source, "columns": found.columns}
    if task == "classify" or task == "tag":
        read = [_labels(raw, task) for raw in raws]
        masks = [Part(raw.x, y, raw.lengths).counted for raw, y in zip(raws, read, strict=True)]
        names, numbered, targets = _name_classes(raws, _alike(read, source), masks, found.class_names, source)
        given |= {"class_names": names, "numbered": numbered}
    elif task == "regress":
        targets = [_numbers(raw) for raw in raws]
        if len({y.shape[1] for y in targets}) > 1:
            raise DataError(f"{source!r}: y and y_test have {' and '.join(str(y.shape[1]) for y in targets)} numbers")
        count = targets[0].shape[1]
        usual = ("y",) if count == 1 else tuple(f"y{place}" for place in range(count))
        given |= {"class_names": (), "targets": found.targets if len(found.targets) == count else usual}
    else:
        targets = [np.arange(len(raw.x)) for raw in raws]
        named = found.targets or tuple(f"x{place}" for place in range(raws[0].x.shape[2]))
        given |= {"class_names": (), "targets": named}
    parts = [Part(raw.x, y, raw.lengths, raw.ids) for raw, y in zip(raws, targets, strict=True)]
    return Data(
        train=None if found.train is None else parts[0], test=None if found.test is None else parts[-1], **given
    )


def _required(raw: Raw) -> NumpyArray:
    if raw.y is None:
        raise DataError(f"{raw.label}: expected targets, got none")
    return raw.y


def _labels(raw: Raw, task: str) -> NumpyArray:
    y = _required(raw)
    if task == "classify":
        return check_labels(y, len(raw.x), raw.label)
    if y.shape != raw.x.shape[:2]:
        raise ShapeError(f"{raw.label}: expected {raw.x.shape[:2]} labels, one for each step, got shape {y.shape}")
    return check_labels(y.reshape(-1), y.size, raw.label).reshape(y.shape)


def _numbers(raw: Raw) -> NumpyArray:
    y = _required(raw)
    if y.dtype.kind not in "fiub":
        raise DTypeError(f"{raw.label}: expected numbers, got an array of {y.dtype}")
    if y.ndim not in (1, 2) or len(y) != len(raw.x) or 0 in y.shape:
        raise ShapeError(f"{raw.label}: expected numbers for each of {len(raw.x)} rows, got shape {y.shape}")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told with its place
        y = y.reshape(len(y), -1).astype(np.float64)
    wrong = ~np.isfinite(y)
    if wrong.any():
        row, place = (int(index) for index in np.argwhere(wrong)[0])
        where = f"row {row}" + (f", place {place}" if y.shape[1] > 1 else "")
        raise DataError(f"{raw.label}: expected finite numbers, got {y[row, place : place + 1].tolist()} at {where}")
    return y


def _alike(labels: list[NumpyArray], source: str) -> list[NumpyArray]:
    """Return the labels of all parts in one dtype, which holds each as it is: no whole number becomes a float."""
    if len({y.dtype.kind == "U" for y in labels}) > 1:
        raise DTypeError(f"{source!r}: y and y_test hold labels of two kinds, numbers and strings")
    if len({y.dtype for y in labels}) > 1 and labels[0].dtype.kind != "U":
        return [y.astype(object) for y in labels]
    return labels


def _name_classes(
    raws: list[Raw], labels: list[NumpyArray], masks: list[NumpyArray], names: NumpyArray | None, source: str
) -> tuple[tuple[str, ...], bool, list[NumpyArray]]:
    """Return class names, whether they are mere numbers, and labels that count from 0; 0 where they are masked."""
    if names is None:
        # The classes are those that the first part, the one to train on, has.
        values = np.unique(labels[0][masks[0]])
        if not len(values):
            raise DataError("every row to train on is empty: all lengths are 0")
        found = []
        for y, mask in zip(labels, masks, strict=True):
            position = np.minimum(np.searchsorted(values, y), len(values) - 1)
            strange = (values[position] != y) & mask
            position[~mask] = 0
            if strange.any():
                index = tuple(int(one) for one in np.argwhere(strange)[0])
                where = f"row {index[0]}" + "".join(f", step {step}" for step in index[1:])
                label = y[index] if y.dtype == object else y[index].item()
                raise DataError(f"{source!r}: y_test: label {quoted(label)} of {where} occurs in no row to train on")
            found.append(position)
        return tuple(str(value) for value in values), values.dtype.kind != "U", found
    if names.dtype.kind != "U" or names.ndim != 1 or len(set(names.tolist())) != len(names):
        texts = names.dtype.kind == "U" and names.ndim == 1
        got = "one of them twice" if texts else f"an array of {names.dtype}, shape {names.shape}"
        raise DataError(f"{source!r}: class_names: expected different strings in one row, got {got}")
    for y, mask in zip(labels, masks, strict=True):
        own = y[mask]
        if y.dtype.kind == "U" or (own.size and (own.min() < 0 or own.max() >= len(names))):
            raise DataError(f"{source!r}: expected labels from 0 to {len(names) - 1}, as there are class_names")
    counted = [np.where(mask, y, 0).astype(np.int64) for y, mask in zip(labels, masks, strict=True)]
    return tuple(names.tolist()), False, counted
