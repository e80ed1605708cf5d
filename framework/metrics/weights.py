"""Sample weights: how much each row, or step, of a batch counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.calls import takes
from lamina.core.host import as_host
from lamina.core.labels import refuse_first, valid_steps
from lamina.core.shapes import Lengths
from lamina.errors import ArgumentError, DTypeError, ShapeError

__all__ = [
    "add_up",
    "check_weight",
    "counted_outputs",
    "read_weight",
    "refuse_weight",
    "spread",
    "takes_weight",
    "weighs",
    "within",
    "without",
]


def takes_weight(function: Callable[..., Any], anything: bool = True) -> bool:
    """Tell from a function's signature whether it takes ``sample_weight``; ``anything``, of one of ``**kwargs`` alone.

    Examples
    --------
    >>> takes_weight(lambda prediction, target, sample_weight=None: 0.0), takes_weight(abs)
    (True, False)
    """
    try:
        return takes(function, "sample_weight", anything=anything)
    except (TypeError, ValueError):  # built in, without a signature
        return False


def refuse_weight(label: str) -> NoReturn:
    """Raise `ArgumentError` for a metric that takes no weights."""
    raise ArgumentError(f"{label}: expected no sample_weight, which its update does not take")


def check_weight(label: str, weight: Any, shape: tuple[int, ...], lengths: Lengths | None) -> Any:
    """Return weights on the host, or raise where they are none for predictions of ``shape``.

    Raises
    ------
    ShapeError, DTypeError, DataError
    """
    weight = as_host(weight, f"{label} sample_weight")
    _check_shape(label, weight.shape, shape)
    if weight.dtype.kind not in "iufb":
        raise DTypeError(f"{label}: expected numbers as sample_weight, got an array of {weight.dtype}")
    with np.errstate(invalid="ignore"):
        wrong = ~((weight >= 0) & (weight < math.inf))
    if lengths is not None and weight.ndim == 2:
        wrong &= valid_steps(lengths, weight.shape)
    if wrong.any():
        refuse_first(f"{label} sample_weight", "weights of 0 or more", weight, wrong)
    return weight


def read_weight(label: str, weight: Any, shape: tuple[int, ...], lengths: Lengths | None, backend: Backend) -> Array:
    """Return weights of predictions of ``shape`` as float64 of a backend; a device's values are not looked at.

    Raises
    ------
    ShapeError, DTypeError, DataError
    """
    if backend.on_host or not backend.is_array(weight):
        weight = check_weight(label, weight, shape, lengths)
        if backend.on_host:
            return backend.asarray(weight, "float64")
        weight = backend.constant(weight)  # which the loss may have brought
    else:
        _check_shape(label, tuple(weight.shape), shape)
    return backend.astype(weight, backend.dtype("float64"))


def spread(label: str, weight: Array, shape: tuple[int, ...], lengths: Lengths | None, backend: Backend) -> Array:
    """Return a weight for each of (batch, ...) or (batch, time, ...), 0 past each row's end.

    Parameters
    ----------
    label : str
    weight : (batch,) or (batch, time)
    shape : tuple of int
    lengths : (batch,) int64 or None
    backend : Backend
    """
    axes = len(weight.shape)
    _require_axes(label, tuple(weight.shape), shape)
    weight = backend.reshape(weight, (*weight.shape, *(1,) * (len(shape) - axes)))
    if axes < len(shape) or lengths is not None:
        weight = backend.xp.broadcast_to(weight, shape)
    return backend.zero_past(weight, lengths)


def within(lengths: Lengths, shape: tuple[int, ...], backend: Backend) -> Array:
    """Return which of (batch, time, ...) lie before their rows' ends: bool, of ``shape``."""
    valid = backend.valid_steps(lengths, shape[1])
    return backend.xp.broadcast_to(backend.reshape(valid, (*valid.shape, *(1,) * (len(shape) - 2))), shape)


def counted_outputs(
    label: str,
    weight: Array | None,
    shape: tuple[int, ...],
    lengths: Lengths | None,
    flat: tuple[int, ...],
    backend: Backend,
) -> tuple[Array | None, Array | None]:
    """Return which of ``shape`` count, None where all do, and by how much, None where alike; each as ``flat``."""
    if weight is not None:
        weight = backend.reshape(spread(label, weight, shape, lengths, backend), flat)
        return weight > 0, without(weight, weight > 0, backend)
    return None if lengths is None else backend.reshape(within(lengths, shape, backend), flat), None


def weighs(label: str, weight: Any, shape: tuple[int, ...]) -> Any:
    """Return where weights on the host are above 0: bool, of as many axes as ``shape``, which it goes with."""
    _require_axes(label, weight.shape, shape)
    return (weight > 0).reshape(weight.shape + (1,) * (len(shape) - weight.ndim))


def without(array: Array, counted: Array, backend: Backend) -> Array:
    """Return an array with 0 where nothing counts: there may be NaN, which a weight of 0 would not undo."""
    return backend.xp.where(counted, array, backend.zeros((), array.dtype))


def add_up(backend: Backend, total: Any, more: Any) -> Any:
    """Return a sum of counts, whole so far or not: an array standard does not mix them."""
    if isinstance(total, (int, float)) or isinstance(more, (int, float)) or total.dtype == more.dtype:
        return total + more
    double = backend.dtype("float64")
    return backend.astype(total, double) + backend.astype(more, double)


def _require_axes(label: str, weight: tuple[int, ...], shape: tuple[int, ...]) -> None:
    if len(weight) > len(shape):
        raise ShapeError(f"{label}: expected sample_weight of shape {shape}, got {weight}")


def _check_shape(label: str, weight: tuple[int, ...], shape: tuple[int, ...]) -> None:
    if len(weight) not in (1, 2) or weight != shape[: len(weight)]:
        wanted = " or ".join(str(shape[:axes]) for axes in (1, 2) if axes <= max(len(shape) - 1, 1))
        raise ShapeError(f"{label}: expected sample_weight of shape {wanted}, got {weight}")
