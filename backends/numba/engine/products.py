"""Matrix products over packed weights, by tiles that stay in registers.

A packed matrix lies as panels of so many columns, the last one filled up with zeros: what a tile reads lies side by
side. Weights are packed once a pass, where a library for products packs them at each call.
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
    "PRODUCT",
    "pack_float32",
    "pack_float64",
    "packed_size",
    "product_float32",
    "product_float64",
]

PRODUCT = types.void(*[types.intp] * 12)
PACK = types.void(*[types.intp] * 8)

_DEEP = 320  # rows of a panel that stay in the first cache
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
        for deep in range(0, k, _DEEP):
            depth, adds, q = min(_DEEP, k - deep), 1 if add != 0 or deep > 0 else 0, 0
            while q < panels:
                count = several if q + several <= whole else 1
                b, columns = packed + q * panel + size * (first + deep) * wide, min(wide, n - q * wide)
                for t in range(tiles):  # as even as they can be: a last one of few rows is slow
                    row = m * t // tiles
                    rows, left = m * (t + 1) // tiles - row, a + size * (row * down + deep * right)
                    out = c + size * (row * across + q * wide)
                    if columns == wide:
                        tile(
                            rows, count > 1, depth, left, size * down, size * right, b, panel, out, size * across, adds
                        )
                        continue
                    tile(rows, 0, depth, left, size * down, size * right, b, panel, spare, size * wide, 0)
                    sums, part = array_at(spare, spare_size, dtype), array_at(out, rows * across, dtype)
                    _fold(rows, columns, wide, across, adds != 0, sums, part)
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
