"""What losses over classes share: their settings, and which labels count and are none of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.arguments import number, whole
from lamina.core.shapes import as_lengths
from lamina.errors import ArgumentError, DataError, ShapeError
from lamina.losses.loss import Loss

__all__ = [
    "all_within",
    "as_label",
    "as_weights",
    "counted_steps",
    "require_labels",
    "require_weights",
    "weights_array",
]


def as_label(loss: Any, name: str, value: Any) -> int | None:
    """Return a setting that is a label, any whole number, or None; or raise `ArgumentError`."""
    return None if value is None else whole(loss, name, value, least=None)


def as_weights(loss: Any, name: str, value: Any, each: str = "class") -> list[float] | None:
    """Return weights, one for each class, of 0 or more as a list, or None; or raise `ArgumentError`."""
    if value is None:
        return None
    if np.ndim(value) != 1:  # a dict, say, whose order is not the classes'
        raise ArgumentError(f"{loss}: expected one {name} for each {each}, got {value!r}")
    return [number(loss, f"every {name}", weight, least=0) for weight in value]


def require_weights(loss: Loss, name: str, weights: Any, count: int) -> None:
    """Raise `ShapeError` where there are weights, but not ``count`` of them."""
    if isinstance(weights, list) and len(weights) != count:
        raise ShapeError(f"{loss.label}: expected {count} {name} weights, got {len(weights)}")


def weights_array(backend: Backend, weights: float | Sequence[float] | None, dtype: Any) -> Array | None:
    """Return weights as an array (count,) of a backend, one number as (1,); None where there are none."""
    if weights is None:
        return None
    return backend.astype(backend.asarray(np.atleast_1d(np.asarray(weights, np.float64))), dtype)


def counted_steps(loss: Loss, shape: tuple[int, ...], lengths: Any = None, mask: Any = None) -> Any:
    """Return which steps count, on the host: bool of the predictions' ``shape`` without its last axis."""
    steps = shape[:-1]
    counted = np.ones(steps, bool)
    if lengths is not None and len(steps) == 2:
        counted &= np.arange(steps[1]) < as_lengths(lengths, steps[0], steps[1], loss.label)[:, None]
    if mask is not None:
        weights = np.asarray(loss.check_mask(mask, steps)) != 0
        counted &= weights.reshape(weights.shape + (1,) * (len(steps) - weights.ndim))
    return counted


def all_within(labels: Any, classes: int) -> bool:
    """Tell whether all labels, on the host, are classes, so that it does not matter which of them count."""
    # argmin and argmax: for a few labels a quarter of the time of min and max.
    flat = labels.reshape(-1)
    return not flat.size or bool(flat[flat.argmin()] >= 0 and flat[flat.argmax()] < classes)


def require_labels(loss: Loss, labels: Any, counted: Any, classes: int) -> None:
    """Raise `DataError` at the first label that counts and is none of the classes."""
    wrong = counted & ((labels < 0) | (labels >= classes))
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = first[0] if len(first) == 1 else first
        raise DataError(f"{loss.label}: expected labels from 0 to {classes - 1}, got {labels[first]} at index {where}")
