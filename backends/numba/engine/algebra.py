"""What forms share: products of either dtype, sums over rows, copies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from lamina.backends.numba.engine.memory import OPTIONS, array_at, compiled, separate, summing, uint
from lamina.backends.numba.engine.products import COLUMNS, PACK, PACK_ROW, PRODUCT, ROW

__all__ = [
    "CHUNK",
    "WIDEST",
    "add_columns",
    "add_product",
    "add_row",
    "add_to",
    "clear",
    "copy",
    "copy_rows",
    "pack",
    "pack_row",
    "product",
    "row_product",
    "size_of",
    "sum_products",
    "sum_rows",
]

#: How many rows wait before the gradient of weights is computed of them.
CHUNK = 128
#: The most columns that a panel of any dtype has.
WIDEST = max(COLUMNS.values())

_product32 = types.ExternalFunction("lamina_product_float32", PRODUCT)
_product64 = types.ExternalFunction("lamina_product_float64", PRODUCT)
_pack32 = types.ExternalFunction("lamina_pack_float32", PACK)
_pack64 = types.ExternalFunction("lamina_pack_float64", PACK)
_row32 = types.ExternalFunction("lamina_row_float32", ROW)
_row64 = types.ExternalFunction("lamina_row_float64", ROW)
_pack_row32 = types.ExternalFunction("lamina_pack_row_float32", PACK_ROW)
_pack_row64 = types.ExternalFunction("lamina_pack_row_float64", PACK_ROW)


def product(
    m: Any, n: Any, k: Any, a: Any, down: Any, right: Any, packed: Any, first: Any, height: Any, c: Any, across: Any,
    add: Any, dtype: Any,
) -> None:  # fmt: skip
    """Write, or add, a matrix product: see `lamina.backends.numba.engine.products.product_float32`."""


def pack(k: Any, n: Any, b: Any, down: Any, right: Any, packed: Any, first: Any, height: Any, dtype: Any) -> None:
    """Pack a matrix: see `lamina.backends.numba.engine.products.pack_float32`."""


def row_product(n: Any, k: Any, a: Any, packed: Any, c: Any, backwards: Any, dtype: Any) -> None:
    """Add a product of one row: see `lamina.backends.numba.engine.products.row_float32`."""


def pack_row(k: Any, n: Any, b: Any, down: Any, packed: Any, dtype: Any) -> None:
    """Pack a matrix for it: see `lamina.backends.numba.engine.products.pack_row_float32`."""


def size_of(dtype: Any) -> int:
    """Return how many bytes a number has."""
    return int(np.dtype(dtype).itemsize)


@overload(product, jit_options=OPTIONS, strict=False)
def _product(
    m: Any, n: Any, k: Any, a: Any, down: Any, right: Any, packed: Any, first: Any, height: Any, c: Any, across: Any,
    add: Any, dtype: Any,
) -> Any:  # fmt: skip
    own = _product32 if dtype.dtype == types.float32 else _product64

    def run(
        m: Any, n: Any, k: Any, a: Any, down: Any, right: Any, packed: Any, first: Any, height: Any, c: Any,
        across: Any, add: Any, dtype: Any,
    ) -> None:  # fmt: skip
        own(m, n, k, a, down, right, packed, first, height, c, across, add)

    return run


@overload(pack, jit_options=OPTIONS, strict=False)
def _pack(k: Any, n: Any, b: Any, down: Any, right: Any, packed: Any, first: Any, height: Any, dtype: Any) -> Any:
    own = _pack32 if dtype.dtype == types.float32 else _pack64

    def run(k: Any, n: Any, b: Any, down: Any, right: Any, packed: Any, first: Any, height: Any, dtype: Any) -> None:
        own(k, n, b, down, right, packed, first, height)

    return run


@overload(row_product, jit_options=OPTIONS, strict=False)
def _row_product(n: Any, k: Any, a: Any, packed: Any, c: Any, backwards: Any, dtype: Any) -> Any:
    own = _row32 if dtype.dtype == types.float32 else _row64

    def run(n: Any, k: Any, a: Any, packed: Any, c: Any, backwards: Any, dtype: Any) -> None:
        own(n, k, a, packed, c, backwards)

    return run


@overload(pack_row, jit_options=OPTIONS, strict=False)
def _pack_row(k: Any, n: Any, b: Any, down: Any, packed: Any, dtype: Any) -> Any:
    own = _pack_row32 if dtype.dtype == types.float32 else _pack_row64

    def run(k: Any, n: Any, b: Any, down: Any, packed: Any, dtype: Any) -> None:
        own(k, n, b, down, packed)

    return run


@overload(size_of, jit_options=OPTIONS, strict=False)
def _size_of(dtype: Any) -> Any:
    size = dtype.dtype.bitwidth // 8
    return lambda dtype: size


@compiled
def copy(count: Any, source: Any, target: Any, dtype: Any) -> None:
    """Copy numbers from an address to another."""
    separate()
    a, b = array_at(source, count, dtype), array_at(target, count, dtype)
    for k in range(count):
        b[k] = a[k]


@compiled
def _copy_rows(rows: Any, columns: Any, across: Any, target_across: Any, source: Any, target: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(columns):
            target[uint(k * target_across + j)] = source[uint(k * across + j)]


@compiled
def copy_rows(rows: Any, columns: Any, source: Any, across: Any, target: Any, target_across: Any, dtype: Any) -> None:
    """Copy some columns of rows that are ``across`` apart to rows ``target_across`` apart."""
    own, other = array_at(source, rows * across, dtype), array_at(target, rows * target_across, dtype)
    _copy_rows(rows, columns, across, target_across, own, other)


@compiled
def clear(count: Any, target: Any, dtype: Any) -> None:
    """Set numbers at an address to 0."""
    separate()
    a = array_at(target, count, dtype)
    for k in range(count):
        a[k] = 0


@compiled
def add_to(count: Any, source: Any, target: Any, dtype: Any) -> None:
    """Add numbers at an address to those at another."""
    separate()
    a, b = array_at(source, count, dtype), array_at(target, count, dtype)
    for k in range(count):
        b[k] += a[k]


@compiled
def add_row(rows: Any, units: Any, row: Any, target: Any) -> None:
    """Add a row (units,) to each row of an array (rows, units)."""
    separate()
    for k in range(rows):
        for j in range(units):
            target[uint(k * units + j)] += row[j]


@compiled
def add_columns(rows: Any, across: Any, columns: Any, source: Any, target: Any) -> None:
    """Add the sum of some columns of the rows of an array (rows, across) to a row (columns,)."""
    separate()
    for k in range(rows):
        for j in range(columns):
            target[j] += source[uint(k * across + j)]


@summing
def sum_rows(rows: Any, columns: Any, a: Any, sums: Any) -> None:
    """Write the sum of each row of an array (rows, columns)."""
    separate()
    for k in range(rows):
        total = a.dtype.type(0)
        for j in range(columns):
            total += a[uint(k * columns + j)]
        sums[k] = total


@summing
def sum_products(rows: Any, columns: Any, a: Any, b: Any, sums: Any) -> None:
    """Write the sum of each row of the product of two arrays (rows, columns)."""
    separate()
    for k in range(rows):
        total = a.dtype.type(0)
        for j in range(columns):
            total += a[uint(k * columns + j)] * b[uint(k * columns + j)]
        sums[k] = total


@compiled
def add_product(
    rows: Any, m: Any, n: Any, a: Any, a_across: Any, b: Any, b_across: Any, c: Any, c_across: Any, packed: Any,
    dtype: Any,
) -> None:  # fmt: skip
    """Add A[rows, m]^T B[rows, n] to C[m, n]; ``packed`` is room for CHUNK rows of B."""
    size = size_of(dtype)
    for first in range(0, rows, CHUNK):
        some = min(CHUNK, rows - first)
        pack(some, n, b + size * first * b_across, b_across, 1, packed, 0, some, dtype)
        product(m, n, some, a + size * first * a_across, 1, a_across, packed, 0, some, c, c_across, 1, dtype)
