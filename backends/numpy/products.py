"""Matrix products cut into pieces that OpenBLAS computes without copying its operands first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from lamina.backends.arrays import Array

__all__ = [
    "add_product",
    "column_pieces",
    "in_blocks",
    "in_pieces",
    "joins_gates",
    "prepared_product",
    "row_blocks",
    "rows_product",
    "slices",
    "weight_pieces",
]


def slices(rows: int, step: int) -> Iterator[slice]:
    """Return so many rows at a time, of all of them: few enough that what is done with them stays in a core's cache."""
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _has_avx512() -> bool:
    """Tell whether NumPy found a processor with AVX-512."""
    configuration: Any = np.show_config(mode="dicts")
    found = configuration.get("SIMD Extensions", {})
    names = [*found.get("baseline", ()), *found.get("found", ())]
    return any(name == "X86_V4" or name.startswith("AVX512") for name in names)


# Up to a million multiplications, OpenBLAS with AVX-512 takes matrices as they lie; larger ones it first copies into
# another order. For what a recurrent layer multiplies at a step that copy costs a fifth of the product or more. Without
# AVX-512 it copies in any case, pieces one by one: with 0, all products stay whole.
_SMALL = 1_000_000 if _has_avx512() else 0
_COLUMNS = 64  # with fewer, or with many more, it is slower again
_FEWEST_ROWS = 8


@lru_cache(maxsize=256)
def column_pieces(rows: int, inner: int, columns: int) -> int:
    """Return into how many pieces of equal width to cut the columns of a (rows, inner) by (inner, columns) product.

    One leaves it whole.
    """
    if rows < _FEWEST_ROWS:
        return 1
    least = -(-columns // _COLUMNS)
    pieces = next((pieces for pieces in range(least, 2 * least) if columns % pieces == 0), 1)
    width = columns // pieces
    return pieces if rows // row_blocks(rows, inner, width) * inner * width <= _SMALL else 1


@lru_cache(maxsize=256)
def row_blocks(rows: int, inner: int, columns: int) -> int:
    """Return into how many blocks of as many rows each to cut a (rows, inner) by (inner, columns) product."""
    most = _SMALL // max(inner * columns, 1)
    if rows <= most:
        return 1
    return next((rows // block for block in range(most, _FEWEST_ROWS - 1, -1) if rows % block == 0), 1)


def weight_pieces(weights: Array, rows: int) -> Array:
    """Return weights (..., inner, columns) as pieces without gaps, (..., pieces, 1, inner, columns / pieces).

    ``matmul(in_blocks(left, w), w, out=in_pieces(out, w))`` then writes left times the weights into ``out``.

    Parameters
    ----------
    weights : array
    rows : int
        How many rows are to be multiplied with them.
    """
    *lead, inner, columns = weights.shape
    pieces = column_pieces(rows, inner, columns)
    cut = weights.reshape(*lead, inner, pieces, columns // pieces).swapaxes(-2, -3)
    return np.ascontiguousarray(cut)[..., None, :, :]


def in_blocks(left: Array, weights: Array) -> Array:
    """Return (..., rows, inner) as the view (..., 1, blocks, rows / blocks, inner) that `weight_pieces` goes with."""
    *lead, rows, inner = left.shape
    blocks = row_blocks(rows, inner, weights.shape[-1])
    return left.reshape(*lead, 1, blocks, rows // blocks, inner)


def in_pieces(out: Array, weights: Array) -> Array:
    """Return (..., rows, columns) as the view (..., pieces, blocks, rows / blocks, width): see `weight_pieces`."""
    *lead, rows, _ = out.shape
    pieces, _, inner, width = weights.shape[-4:]
    blocks = row_blocks(rows, inner, width)
    cut = out.reshape(*lead, blocks, rows // blocks, pieces, width)
    return cut.swapaxes(-2, -3).swapaxes(-3, -4)


def prepared_product(weights: Array, rows: int) -> tuple[Callable[..., Any], Array, bool]:
    """Return how to multiply so many rows, or fewer, by the same weights (inner, columns) again and again.

    Returns
    -------
    product, weights, cut
        ``product(left, weights, out)`` writes left times the weights into ``out``; where the product is cut, ``left``
        is taken by `in_blocks` and ``out`` by `in_pieces`.
    """
    if _is_cut(rows, *weights.shape):
        return np.matmul, weight_pieces(weights, rows), True
    # For small matrices dot takes a quarter of the time of matmul.
    return np.ndarray.dot, np.ascontiguousarray(weights), False


@lru_cache(maxsize=256)
def _is_cut(rows: int, inner: int, columns: int) -> bool:
    return column_pieces(rows, inner, columns) > 1 or row_blocks(rows, inner, columns) > 1


def joins_gates(rows: int, units: int) -> bool:
    """Tell whether gates copied side by side, and one product, take less time than a product each, added up."""
    return rows * units <= 2048 and rows <= 8 * units


def rows_product(left: Array, right: Array, out: Array) -> None:
    """Write a product of many rows, (rows, inner) by (inner, columns), into an array without gaps."""
    rows, piece = len(left), _SMALL // max(right.size, 1)
    if rows <= piece or piece < 24:  # fewer rows at a time are slower than the copy
        np.ndarray.dot(left, right, out)  # np.dot asks a function of Python's first
        return
    for first in range(0, rows, piece):
        part = slice(first, first + piece)
        np.ndarray.dot(left[part], right, out[part])


def add_product(total: Array, left: Array, right: Array, room: Array) -> None:
    """Add left^T right to a total.

    Parameters
    ----------
    total, room : (gates, inner, columns)
        The room is overwritten.
    left : (rows, inner)
    right : (gates, rows, columns)
    """
    rows, inner = left.shape
    piece = _SMALL // max(rows * right.shape[-1], 1)
    if piece < 64:  # narrow pieces are slower than the copy: those of 30 by a third
        piece = inner
    for first in range(0, inner, piece):
        part = slice(first, first + piece)
        np.matmul(left[:, part].T, right, out=room[:, part])
    np.add(total, room, out=total)
