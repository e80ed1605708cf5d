"""How a loss reads its prediction: on which backend, in which precision, and over how many terms its mean is."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from lamina.backends import Array, Backend, backend_of
from lamina.core.host import as_host, refuse_masked
from lamina.core.labels import valid_steps
from lamina.errors import BackendError, DTypeError

__all__ = ["count_rows", "count_terms", "handed", "read_prediction"]


class Handed(threading.local):
    """The backend that the running call of this thread was handed: several have NumPy's arrays, so none shows it."""

    backend: Backend | None = None


handed = Handed()
# By backend, the float seen last that need not be widened.
_wide: dict[str, Any] = {}


def read_prediction(loss: Any, prediction: Array) -> tuple[Backend, Array, Any]:
    """Return the backend whose kernels run for a prediction, and that one, as float32 where its dtype is narrower.

    In half precision sums and squares overflow at once.

    Returns
    -------
    backend : Backend
    prediction : array
    narrow : dtype or None
        The prediction's, where it is narrower than float32: that of the gradient.

    Raises
    ------
    BackendError
        If the prediction is no array of the loss's backend, or of any that is loaded.
    DataError
        If it is a masked array.
    DTypeError
        If it holds no floating-point numbers.
    """
    try:
        backend = loss.backend or handed.backend or backend_of(prediction)
    except BackendError as error:
        refuse_masked(f"{loss.label} prediction", prediction)
        raise BackendError(f"{loss.label}: {error}: convert it, or call the loss, which converts") from error
    if type(prediction) is not backend.array_type:
        backend = _backend_of(loss, prediction)
    dtype = prediction.dtype
    if _wide.get(backend.name) is dtype:
        return backend, prediction, None
    if not backend.is_float(prediction):
        raise DTypeError(f"{loss.label}: expected floating-point predictions, got {dtype}")
    if backend.xp.finfo(dtype).bits < 32:
        return backend, backend.astype(prediction, backend.dtype("float32")), dtype
    _wide[backend.name] = dtype
    return backend, prediction, None


def _backend_of(loss: Any, prediction: Array) -> Backend:
    """Return the backend for a prediction, or raise where it is no array of its."""
    refuse_masked(f"{loss.label} prediction", prediction)
    backend: Backend | None = loss.backend
    if backend is None:
        given = handed.backend
        return given if given is not None and given.is_array(prediction) else backend_of(prediction)
    if not backend.is_array(prediction):
        got = type(prediction).__name__
        raise BackendError(f"{loss.label}: expected an array of backend {backend.name!r}, got {got}")
    return backend


def count_terms(label: str, shape: tuple[int, ...], target: Any, lengths: Any, mask: Any, ignored: int | None) -> float:
    """Return how many rows, or steps, of predictions of a shape count: see `Loss.terms`."""
    # A loss of one's own may take predictions without an axis of features.
    steps = shape[:-1] if len(shape) > (1 if lengths is None else 2) else shape
    labelled = ignored is not None and np.ndim(target) == len(steps)
    lengths = None if lengths is None else as_host(lengths, f"{label} lengths")
    if mask is None and not labelled:
        return float(math.prod(steps) if lengths is None else int(np.sum(lengths)) * math.prod(steps[2:]))
    weights = _step_weights(label, steps, lengths, mask)
    if labelled:
        weights = weights * (as_host(target, f"{label} target") != ignored)
    return float(weights.sum())


def count_rows(label: str, shape: tuple[int, ...], lengths: Any, mask: Any) -> float:
    """Return how many rows of predictions of a shape have a step: see `Loss.terms`; with a mask, their weights' sum.

    A row's weight is the largest of its steps' weights.
    """
    steps = shape[:-1]
    weights = _step_weights(label, steps, lengths, mask)
    return float(weights.reshape(len(weights), math.prod(steps[1:])).max(axis=1, initial=0).sum())


def _step_weights(label: str, steps: tuple[int, ...], lengths: Any, mask: Any) -> Any:
    """Return the weight of each row, or step, on the host: 0 past a row's end."""
    weights = np.ones(steps)
    if lengths is not None:
        weights = weights * valid_steps(as_host(lengths, f"{label} lengths"), steps)
    if mask is not None:
        mask = as_host(mask, f"{label} mask")
        weights = weights * mask.reshape(mask.shape + (1,) * (len(steps) - mask.ndim))
    return weights
