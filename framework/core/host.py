"""What a caller passes as data, as an array of NumPy's on the host; or refused, where something would be lost."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np

from lamina.backends import backend_of
from lamina.core.proven import proofs
from lamina.errors import BackendError, DataError, DTypeError, ShapeError

__all__ = ["as_array", "as_host", "as_lists", "is_plain", "refuse_masked"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]

# What NumPy itself reads from a list without anything lost.
_PLAIN = frozenset((bool, int, float, complex, str, bytes, type(None), np.ndarray))

# What a tensor is asked for first: NumPy gets nothing of one that autograd watches, is on a device or negated lazily.
_OF_TENSORS = "detach", "cpu", "resolve_neg"


def is_plain(value: Any) -> bool:
    """Tell whether `as_host` would give a value back as it is, without the cost of a label for its messages."""
    return type(value) is np.ndarray and value.dtype.kind != "V"


def as_lists(value: Any, label: str) -> Any:
    """Return an array of any library's, or a list with some in it, as numbers in lists; anything else as it is."""
    several = value if isinstance(value, (list, tuple)) else (value,)
    if any(hasattr(one, "__dlpack__") or hasattr(one, "__array__") for one in several):
        return as_host(value, label).tolist()
    return value


def as_array(value: Any, label: str, uneven: str | None = None) -> Any:
    """Return an array of a loaded backend as it is, of anything else what `as_host` makes of it; takes what that does.

    Raises
    ------
    ShapeError, DataError, DTypeError
    """
    if is_plain(value):
        return value
    if not isinstance(value, np.ndarray) and hasattr(value, "__dlpack__"):
        with suppress(BackendError):
            backend_of(value)
            return value
    return as_host(value, label, uneven)


def refuse_masked(label: str, value: Any) -> None:
    """Raise where a value is a masked array: nothing here reads its mask, so masked values would count.

    Raises
    ------
    DataError
    """
    masked = sys.modules.get("numpy.ma")  # without which there are none
    if masked is not None and isinstance(value, masked.MaskedArray):
        raise DataError(
            f"{label}: expected a plain array, got a masked one, whose mask would be lost: fill it with .filled(), "
            "and leave steps out with lengths, a loss's mask or ignore_index"
        )


def as_host(value: Any, label: str, uneven: str | None = None) -> NumpyArray:
    """Return a value as an array of NumPy: of tensors their numbers alone, what NumPy has no dtype for as float32.

    Parameters
    ----------
    value : array, tensor, number, or lists of them
    label : str
        In front of the messages.
    uneven : str, optional
        The message where it is no rectangular array.

    Raises
    ------
    ShapeError
        If it is no rectangular array.
    DataError
        If it is, or holds, a masked array.
    DTypeError
        If NumPy can make nothing of it.
    """
    if type(value) is np.ndarray:
        return _widened(value)
    refuse_masked(label, value)
    if isinstance(value, (list, tuple)):
        value = _plain(value, label)
    elif hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
        known = proofs.host_of(value)
        if known is not None:
            host: NumpyArray = known
            return host
        with suppress(BackendError):  # no backend's: NumPy may know what to do with it
            return backend_of(value).to_numpy(value)
    for method in _OF_TENSORS:
        if hasattr(value, method):
            value = getattr(value, method)()
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return _widened(np.from_dlpack(value))
        return _widened(np.asarray(value))
    except ValueError as error:
        raise ShapeError(uneven or f"{label}: expected a rectangular array") from error
    except (TypeError, RuntimeError, BufferError) as error:
        with suppress(AttributeError, TypeError, RuntimeError):
            return np.asarray(value.float())  # bfloat16, which NumPy does not have
        kind = f"{type(value).__name__} of {value.dtype}" if hasattr(value, "dtype") else type(value).__name__
        raise DTypeError(f"{label}: expected an array of numbers, got a {kind}, which NumPy cannot read") from error


def _widened(array: NumpyArray) -> NumpyArray:
    """Return an array of a float that is an extension of NumPy's, such as bfloat16, as float32; others as they are."""
    if array.dtype.kind == "V" and array.dtype.names is None and "float" in array.dtype.name:
        return array.astype(np.float32)
    return array


def _plain(values: Any, label: str) -> Any:
    """Return a list, or lists in it, with every array of another kind as NumPy's."""
    kinds = set(map(type, values))
    if kinds <= _PLAIN:
        return values
    if kinds <= {list, tuple}:
        return [_plain(one, label) for one in values]
    return [one if type(one) in _PLAIN or isinstance(one, np.generic) else as_host(one, label) for one in values]
