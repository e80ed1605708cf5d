"""Arrays of any backend, looked at from the host: compared, frozen, and found inside of objects."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

import numpy as np

from lamina.backends import Array, Backend
from lamina.testing.report import CheckError

__all__ = [
    "HostArray",
    "Watch",
    "arrays_in",
    "cut_to",
    "as_list",
    "differences",
    "expect_close",
    "expect_same_bits",
    "freeze",
    "to_host",
]

HostArray: TypeAlias = np.ndarray[Any, Any]

_OPAQUE = (str, bytes, int, float, complex, bool, type, ModuleType, BuiltinFunctionType, Backend, np.dtype)


def as_list(value: Any) -> list[Any]:
    """Return several values as a list, and a single one as a list of one."""
    return list(value) if isinstance(value, (tuple, list)) else [value]


def to_host(backend: Backend, array: Array) -> HostArray:
    """Return a copy of an array on the host."""
    return np.array(backend.to_numpy(array))


def freeze(array: Array) -> Array:
    """Return the array, made read-only where it is NumPy's."""
    if isinstance(array, np.ndarray):
        array.flags.writeable = False
    return array


def differences(got: HostArray, expected: HostArray, scale: float = 0.01) -> float:
    """Return the largest difference, relative to the largest expected value; NaN and infinity must match.

    A value that is zero but for rounding has no scale of its own: it is measured by one given, such as the largest of
    the numbers whose sum it is.
    """
    if got.shape != expected.shape:
        return float("inf")
    if np.array_equal(got, expected):
        return 0.0
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(got)):
        return float("inf")
    got, expected = got[finite].astype(np.float64), expected[finite].astype(np.float64)
    largest = float(np.abs(expected).max(initial=0.0))
    error = float(np.abs(got - expected).max(initial=0.0))
    return error / max(largest, scale)


def expect_close(what: str, got: HostArray, expected: HostArray, tolerance: float, scale: float = 0.01) -> float:
    """Return the difference, or raise `CheckError` where it is above the tolerance; see `differences`."""
    if got.shape != expected.shape:
        raise CheckError(f"{what}: expected shape {expected.shape}, got {got.shape}")
    error = differences(got, expected, scale)
    if not error <= tolerance:
        failure = CheckError(f"{what}: expected a difference of at most {tolerance:.0e}, got {error:.1e}")
        largest = np.abs(expected[np.isfinite(expected)]).max(initial=0)
        failure.difference = error * max(float(largest), scale)
        raise failure
    return error


def cut_to(whole: HostArray, alone: HostArray) -> HostArray:
    """Return what a row gives in a batch as long as it is alone, where later axes are those of sequences too.

    So it is with the scores of an attention, which has one for each key: what is cut must be 0, else it stays.
    """
    if whole.ndim != alone.ndim or whole.shape[:2] != alone.shape[:2]:
        return whole
    cut = whole[tuple(slice(size) for size in alone.shape)]
    return cut if np.count_nonzero(cut) == np.count_nonzero(whole) else whole


def expect_same_bits(what: str, got: HostArray, expected: HostArray) -> None:
    """Raise `CheckError` unless both arrays hold the same bits."""
    if got.shape != expected.shape or got.dtype != expected.dtype:
        raise CheckError(f"{what}: expected {expected.dtype} {expected.shape}, got {got.dtype} {got.shape}")
    if np.ascontiguousarray(got).tobytes() != np.ascontiguousarray(expected).tobytes():
        changed = int(np.sum(got != expected))
        raise CheckError(f"{what}: expected the same bits, got {changed} other values of {got.size}")


def arrays_in(value: Any, backend: Backend, stop: Sequence[Any] = ()) -> list[Array]:
    """Return the arrays reachable from an object through containers, attributes and closures, each once.

    Views lead on to the arrays that own their memory. Backends, modules and classes are not entered, and
    neither are the objects in ``stop``.
    """
    found: dict[int, Array] = {}
    seen = {id(item) for item in stop}
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or item is None or isinstance(item, _OPAQUE):
            continue
        seen.add(id(item))
        if backend.is_array(item) or isinstance(item, np.ndarray):
            found[id(item)] = item
            waiting.append(getattr(item, "base", None))
        else:
            waiting.extend(_parts(item))
    return list(found.values())


def _parts(item: Any) -> Iterator[Any]:
    if isinstance(item, dict):
        yield from item.values()
    elif isinstance(item, (list, tuple, set, frozenset)):
        yield from item
    elif isinstance(item, FunctionType):
        for cell in item.__closure__ or ():
            with contextlib.suppress(ValueError):  # a cell that is still empty
                yield cell.cell_contents
    elif isinstance(item, MethodType):
        yield item.__self__
    elif isinstance(item, partial):
        yield from (item.func, item.args, item.keywords)
    else:
        yield from vars(item).values() if hasattr(item, "__dict__") else ()
        for cls in type(item).__mro__:
            slots = cls.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                yield getattr(item, name, None)


class Watch:
    """Holds arrays weakly, so that a check can tell whether something else still holds them.

    Whole numbers are left out: a backend may keep the order in which it reads a batch, to use it again.

    Parameters
    ----------
    backend : Backend
    arrays : sequence of arrays
    known : sequence of arrays
        Of which it is known that something else holds them.
    """

    def __init__(self, backend: Backend, arrays: Sequence[Array], known: Sequence[Array] = ()) -> None:
        left_out = {id(array) for array in known}
        self._references = []
        for array in arrays:
            whole = array.dtype.kind in "iu" if isinstance(array, np.ndarray) else backend.is_integer(array)
            if whole or id(array) in left_out:
                continue
            with contextlib.suppress(TypeError):  # this backend's arrays cannot be held weakly
                self._references.append(weakref.ref(array))

    def alive(self) -> int:
        """Return how many of the arrays still exist."""
        if self._count():
            gc.collect()  # some may hang in a cycle
        return self._count()

    def _count(self) -> int:
        return sum(reference() is not None for reference in self._references)
