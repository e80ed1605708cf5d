"""Labels and ids: which are classes, or rows of a table, which steps count, what is said of a wrong one."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from lamina.core.arguments import whole
from lamina.core.host import as_host
from lamina.core.proven import proofs
from lamina.core.shapes import Lengths
from lamina.errors import DataError

__all__ = ["all_within", "as_label", "read_ids", "refuse_first", "valid_steps"]


def as_label(owner: Any, name: str, value: Any) -> int | None:
    """Return a setting that is a label, any whole number, or None; or raise `ArgumentError`."""
    return None if value is None else whole(owner, name, value, least=None)


def all_within(labels: Any, classes: int) -> bool:
    """Tell whether all labels, on the host, are classes, so that it does not matter which of them count."""
    # argmin and argmax: for a few labels a quarter of the time of min and max.
    flat = labels.reshape(-1)
    return not flat.size or bool(flat[flat.argmin()] >= 0 and flat[flat.argmax()] < classes)


def valid_steps(lengths: Lengths, steps: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Return which steps lie before their rows' ends, on the host: bool, of any axes that begin with (batch, time)."""
    valid = np.arange(steps[1]) < np.asarray(lengths)[:, None]
    return np.broadcast_to(valid.reshape(valid.shape + (1,) * (len(steps) - 2)), steps)


def read_ids(label: str, ids: Any, count: int, lengths: Lengths | None = None) -> np.ndarray[Any, Any]:
    """Return ids on the host, where they are looked at: a device would take one that is none for another, unseen.

    Those that came from the host, by a call or a trainer, are known there; others are copied, which waits for a device.

    Parameters
    ----------
    label : str
    ids : (batch, ...) integers
    count : int
        How many ids there are.
    lengths : (batch,) int64, on the host, optional
        Ids past a row's end may be anything.

    Raises
    ------
    DataError
        If an id is none of 0 to count - 1.
    """
    values = as_host(ids, label)
    if values is not ids:
        proofs.note_host(ids, values)
    if all_within(values, count):
        return values
    counted = values if lengths is None else values[valid_steps(lengths, values.shape)]
    if not all_within(counted, count):
        least, most = int(counted.min()), int(counted.max())
        raise DataError(f"{label}: expected ids from 0 to {count - 1}, got {least if least < 0 else most}")
    return values


def refuse_first(label: str, expected: str, values: Any, wrong: Any) -> NoReturn:
    """Raise `DataError` that names the first of the values that are wrong, and its place."""
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = first[0] if len(first) == 1 else first
    raise DataError(f"{label}: expected {expected}, got {values[first]} at index {where}")
