"""Labels as losses and metrics read them: which are classes, which steps count, what is said of a wrong one."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from lamina.core.arguments import whole
from lamina.core.shapes import Lengths
from lamina.errors import DataError

__all__ = ["all_within", "as_label", "refuse_first", "valid_steps"]


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


def refuse_first(label: str, expected: str, values: Any, wrong: Any) -> NoReturn:
    """Raise `DataError` that names the first of the values that are wrong, and its place."""
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = first[0] if len(first) == 1 else first
    raise DataError(f"{label}: expected {expected}, got {values[first]} at index {where}")
