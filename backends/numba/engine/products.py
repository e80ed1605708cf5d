"""Matrix products over packed weights, by tiles that stay in registers.

A packed matrix lies as panels of so many columns, the last one filled up with zeros: what a tile reads lies side by
side. Weights are packed once a pass, where a library for products packs them at each call.

For products of one row, which wait for nothing but the weights, several panels lie side by side: such a matrix is read
as one stream, half as fast again as several.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic

from lamina.backends.numba.engine.memory import array_at, compiled, named, separate, uint
from lamina.backends.numba.engine.tiles import Tiles, shape_for

__all__ = [
    "COLUMNS",
    "PACK",
    "PACK_ROW",
    "PRODUCT",
    "ROW",
    "pack_float32",
    "pack_float64",
    "pack_row_float32",
    "pack_row_float64",
    "packed_size",
    "product_float32",
    "product_float64",
    "row_float32",
    "row_float64",
]

PRODUCT = types.void(*[types.intp] * 12)
PACK = types.void(*[types.intp] * 8)
ROW = types.void(*[types.intp] * 6)
PACK_ROW = types.void(*[types.intp] * 5)

_DEEP = 320  # rows of a panel that stay in the first cache, a quarter more or less
_SHAPES = {name: shape_for(name) for name in ("float32", "float64")}
COLUMNS = {name: shape.columns for name, shape in _SHAPES.items()}


def packed_size(depth: int, columns: int, dtype: str) -> int:
    """Return how many elements a packed matrix of that size has."""
    wide = COLUMNS[dtype]
    return depth * -(-columns // wide) * wide


def _scratch_of(dtype: Any, count: int) -> Any:
    """Return a function that compiled code calls: the address of so many elements on the stack."""

    @intrinsic
    def scratch(typing: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            element = context.get_value_type(types.float32 if np.dtype(dtype).itemsize == 4 else types.float64)
            place = cgutils.alloca_once(builder, ir.ArrayType(element, count))
            place.align = 64
            return builder.ptrtoint(place, ir.IntType(64))

        return types.intp(), emit

    return scratch


@compiled
def _fold(rows: Any, columns: Any, wide: Any, across: Any, adds: Any, whole: Any, part: Any) -> None:
    for i in range(rows):
        for j in range(columns):
            if adds:
                part[uint(i * across + j)] += whole[uint(i * wide + j)]
            else:
                part[uint(i * across + j)] = whole[uint(i * wide + j)]


def _make_product(name: str) -> Any:
    shape, dtype = _SHAPES[name], getattr(np, name)
    rows_of, wide, size = shape.rows, shape.columns, np.dtype(name).itemsize
    spare_size = rows_of * wide
    tile, scratch = Tiles(name, shape).make(), _scratch_of(name, spare_size)
    together = np.array([1, *(shape.panels(rows) for rows in range(1, rows_of + 1))], np.int64)

    @compiled
    @named(name)
    def product(
        m: Any, n: Any, k: Any, a: Any, down: Any, right: Any, packed: Any, first: Any, height: Any, c: Any,
        across: Any, add: Any,
    ) -> None:  # fmt: skip
        panels, tiles, panel = (n + wide - 1) // wide, (m + rows_of - 1) // rows_of, size * height * wide
        several, whole, spare = together[m] if m <= rows_of else 1, n // wide, scratch()
        parts = max((k + _DEEP * 3 // 4) // _DEEP, 1)
        for part in range(parts):  # as even as they can be: all of C is read again for each
            deep = k * part // parts
            depth, adds, q = k * (part + 1) // parts - deep, 1 if add != 0 or part > 0 else 0, 0
            while q < panels:
                count = several if q + several <= whole else 1
                b, columns = packed + q * panel + size * (first + deep) * wide, min(wide, n - q * wide)
                for t in range(tiles):  # as even as they can be: a last one of few rows is slow
                    row = m * t // tiles
                    rows, left = m * (t + 1) // tiles - row, a + size * (row * down + deep * right)
                    out = c + size * (row * across + q * wide)
                    if columns == wide:
                        tile(
                            rows, count > 1, depth, left, size * down, size * right, b, size * wide, panel, out,
                            size * across, adds,
                        )  # fmt: skip
                        continue
                    tile(rows, 0, depth, left, size * down, size * right, b, size * wide, panel, spare, size * wide, 0)
                    sums, edge = array_at(spare, spare_size, dtype), array_at(out, rows * across, dtype)
                    _fold(rows, columns, wide, across, adds != 0, sums, edge)
                q += count

    return product


_product32, _product64 = _make_product("float32"), _make_product("float64")
_COLUMNS32, _COLUMNS64 = COLUMNS["float32"], COLUMNS["float64"]


def product_float32(
    m: Any, n: Any, k: Any, a: Any, down: Any, right: Any, packed: Any, first: Any, height: Any, c: Any, across: Any,
    add: Any,
) -> None:  # fmt: skip
    """Write C[m, n] = A[m, k] B[k, n] in float32; add it where ``add`` is not 0.

    ``a``, ``packed`` and ``c`` are addresses; A has strides of ``down`` and ``right`` elements, C one of ``across``.
    Of B, packed ``height`` rows high, the rows from ``first`` on are read.
    """
    _product32(m, n, k, a, down, right, packed, first, height, c, across, add)


def product_float64(
    m: Any, n: Any, k: Any, a: Any, down: Any, right: Any, packed: Any, first: Any, height: Any, c: Any, across: Any,
    add: Any,
) -> None:  # fmt: skip
    """As `product_float32`, in float64."""
    _product64(m, n, k, a, down, right, packed, first, height, c, across, add)


@compiled
def _pack(k: Any, n: Any, down: Any, right: Any, first: Any, height: Any, wide: Any, source: Any, target: Any) -> None:
    separate()
    for begin in range(0, n, wide):
        columns, out, into = min(wide, n - begin), begin * height + first * wide, begin * right
        if columns == wide and right == 1:
            for i in range(k):
                for j in range(wide):
                    target[uint(out + i * wide + j)] = source[uint(into + i * down + j)]
            continue
        for i in range(k):
            for j in range(columns):
                target[uint(out + i * wide + j)] = source[uint(into + i * down + j * right)]
            for j in range(columns, wide):
                target[uint(out + i * wide + j)] = 0


def pack_float32(k: Any, n: Any, b: Any, down: Any, right: Any, packed: Any, first: Any, height: Any) -> None:
    """Write B[k, n], of any strides, as panels, from row ``first`` of ``height`` on, with zeros beside it."""
    source = array_at(b, k * down + n * right, np.float32)
    target = array_at(packed, height * (n + _COLUMNS32), np.float32)
    _pack(k, n, down, right, first, height, _COLUMNS32, source, target)


def pack_float64(k: Any, n: Any, b: Any, down: Any, right: Any, packed: Any, first: Any, height: Any) -> None:
    """As `pack_float32`, in float64."""
    source = array_at(b, k * down + n * right, np.float64)
    target = array_at(packed, height * (n + _COLUMNS64), np.float64)
    _pack(k, n, down, right, first, height, _COLUMNS64, source, target)


def _make_row(name: str) -> Any:
    shape, size, dtype = _SHAPES[name], np.dtype(name).itemsize, getattr(np, name)
    tile, wide, side_by_side = Tiles(name, shape).make_row(), shape.columns, shape.columns * shape.panels(1)
    rest_of = types.ExternalFunction(f"lamina_product_{name}", PRODUCT)

    @compiled
    @named(name)
    def row(n: Any, k: Any, a: Any, packed: Any, c: Any, backwards: Any) -> None:
        whole = n // side_by_side
        for i in range(whole):
            first = (whole - 1 - i if backwards != 0 else i) * side_by_side
            tile(k, a, size, packed + size * first * k, size * side_by_side, c + size * first)
        first = whole * side_by_side
        if first < n:
            rest_of(1, n - first, k, a, k, 1, packed + size * first * k, 0, k, c + size * first, n, 1)

    @compiled
    @named(name)
    def pack(k: Any, n: Any, b: Any, down: Any, packed: Any) -> None:
        first = n // side_by_side * side_by_side
        source, target = array_at(b, k * down + n, dtype), array_at(packed, k * (n + wide), dtype)
        _pack(k, first, down, 1, 0, k, side_by_side, source, target)
        past = array_at(b + size * first, k * down + n, dtype)
        _pack(k, n - first, down, 1, 0, k, wide, past, array_at(packed + size * first * k, k * (n + wide), dtype))

    return row, pack


_row32, _pack_row32 = _make_row("float32")
_row64, _pack_row64 = _make_row("float64")


def row_float32(n: Any, k: Any, a: Any, packed: Any, c: Any, backwards: Any) -> None:
    """Add a[k] B[k, n] to c[n] in float32, B packed by `pack_row_float32`; its last columns first, if ``backwards``.

    The sums are the same. To go through B back and forth by turns leaves in a small cache what comes next.
    """
    _row32(n, k, a, packed, c, backwards)


def row_float64(n: Any, k: Any, a: Any, packed: Any, c: Any, backwards: Any) -> None:
    """As `row_float32`, in float64."""
    _row64(n, k, a, packed, c, backwards)


def pack_row_float32(k: Any, n: Any, b: Any, down: Any, packed: Any) -> None:
    """Write B[k, n], whose rows are ``down`` elements apart, for `row_float32`: no more than `packed_size`."""
    _pack_row32(k, n, b, down, packed)


def pack_row_float64(k: Any, n: Any, b: Any, down: Any, packed: Any) -> None:
    """As `pack_row_float32`, in float64."""
    _pack_row64(k, n, b, down, packed)
