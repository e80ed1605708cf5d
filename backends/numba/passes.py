"""What kernels that run as one compiled pass share: the call, and how arrays are handed over."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.backend import Backend
from lamina.backends.numpy.threads import at_once, threads_of_products

__all__ = ["CompiledPasses", "Strided", "address", "ends", "plain", "strided"]

_DTYPES = np.dtype("float32"), np.dtype("float64")


class Strided(NamedTuple):
    """Rows of features in two axes, as they lie in memory.

    Attributes
    ----------
    array : (outer, inner, features)
        Each row without gaps.
    at : int
        Where it begins.
    outer, inner : int
        How many elements lie from a row to the next, in each axis.
    """

    array: Array
    at: int
    outer: int
    inner: int


def strided(array: Array) -> Strided:
    """Return an array (batch, ..., features) as rows in two axes: a view where it can be one."""
    if array.ndim != 3:
        array = array.reshape(len(array) if array.ndim > 3 else 1, -1, array.shape[-1])
    outer, inner, one = array.strides
    size = array.itemsize
    if one != size or outer % size or inner % size or not array.flags.aligned:
        array = array.copy()
        outer, inner, _ = array.strides
    return Strided(array, address(array), outer // size, inner // size)


def address(array: Array | None) -> int:
    """Return where an array's data begin; 0 for none."""
    return 0 if array is None else array.__array_interface__["data"][0]


def plain(array: Array) -> Array:
    """Return an array as compiled code reads it where it is told no strides: itself where it lies so."""
    return array if array.flags.c_contiguous and array.flags.aligned else array.copy()


def ends(lengths: Array | None) -> Array | None:
    """Return lengths as compiled code reads them."""
    return None if lengths is None else np.ascontiguousarray(lengths, np.int64)


@cache
def _module(name: str) -> Any:
    return import_module(f"lamina.backends.numba.engine.passes.{name}")


@cache
def _panel(dtype: Any) -> int:
    wide: int = import_module("lamina.backends.numba.engine.products").COLUMNS[dtype.name]
    return wide


@cache
def _call(module: str, name: str, dtype: Any) -> tuple[Callable[[int], None], tuple[str, ...], list[Any]]:
    """Return a compiled function, and the names of the record that it takes the address of, and those of floats."""
    functions, own = import_module("lamina.backends.numba.engine.functions"), _module(module)
    if hasattr(own, "product"):  # which it calls by a symbol
        functions.products_ready(dtype.name)
    place = functions.address_of(f"passes.{module}", f"{name}_{dtype.name}")
    kind = own.RECORD
    return ctypes.CFUNCTYPE(None, ctypes.c_ssize_t)(place), kind.names, [n for n in kind.names if kind[n].kind == "f"]


class CompiledPasses(Backend):
    """Kernels that run as one compiled pass each.

    Attributes
    ----------
    least_work : int
        Operations on numbers from which on a block is worth a thread.
    """

    least_work = 1_000_000

    def has_pass(self, *arrays: Array) -> bool:
        """Tell whether there are passes of arrays of these dtypes."""
        dtype = arrays[0].dtype
        return dtype in _DTYPES and all(array.dtype == dtype for array in arrays)

    def packed_columns(self, columns: int, dtype: Any) -> int:
        """Return how many columns a packed matrix of so many has."""
        wide = _panel(dtype)
        return -(-columns // wide) * wide

    def pass_constant(self, module: str, name: str) -> Any:
        """Return a constant of a file of passes."""
        return getattr(_module(module), name)

    def as_lies(self, x: Array, rows: Strided) -> tuple[Array, Strided]:
        """Return an array like x whose content is not set, time first where x lies so, and its rows."""
        outer, inner, features = rows.array.shape
        if x.ndim == 3 and rows.outer < rows.inner:
            turned = self.empty((inner, outer, features), x.dtype).swapaxes(0, 1)
            return turned, strided(turned)
        array = self.empty(x.shape, x.dtype)
        return array, strided(array)

    def in_parts(self, rows: int, work: int) -> list[tuple[int, int]]:
        """Return the blocks of the rows, (first, last) each, into which to cut a pass of so many operations."""
        number = 1
        if work >= 2 * self.least_work and rows > 1:
            number = max(1, min(threads_of_products(), rows, work // self.least_work))
        return [(n * rows // number, (n + 1) * rows // number) for n in range(number)]

    def run_pass(self, module: str, name: str, dtype: Any, parts: Sequence[dict[str, Any]]) -> None:
        """Run a pass over blocks, each on a thread of its own; a block gives what the record of the pass holds."""
        call, names, floats = _call(module, name, dtype)
        records = []
        for part in parts:
            for one in floats:
                part[one] = _WORD.unpack(_FLOAT.pack(part[one]))[0]
            records.append(np.array([part.get(one, 0) for one in names], np.int64))
        if len(records) == 1:
            call(address(records[0]))
        else:
            at_once(lambda record: call(address(record)), records)


_WORD, _FLOAT = struct.Struct("q"), struct.Struct("d")
