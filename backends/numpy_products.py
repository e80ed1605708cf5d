"""Matrix products cut into pieces that OpenBLAS computes without copying its operands first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.backends.arrays import Array

__all__ = [
    "add_product",
    "column_pieces",
    "in_pieces",
    "prepared_product",
    "rows_product",
    "weight_pieces",
]

# Up to a million multiplications, OpenBLAS (with AVX-512) takes matrices as they lie; larger ones it first copies
# into another order. For what a recurrent layer multiplies at a step that copy costs a fifth of the product or more.
_SMALL = 1_000_000
_COLUMNS = 64  # with fewer, or with many more, it is slower again


def column_pieces(rows: int, inner: int, columns: int) -> int:
    """Return into how many pieces of columns to cut a (rows, inner) by (inner, columns) product; 1 to leave it whole.

    Pieces are of equal width.
    """
    if columns <= _COLUMNS or rows < 8 or rows * inner * _COLUMNS // 2 > _SMALL:
        return 1
    least = max(-(-columns // _COLUMNS), -(-rows * inner * columns // _SMALL))
    return next((pieces for pieces in range(least, 2 * least) if columns % pieces == 0), 1)


def in_pieces(matrix: Array, pieces: int) -> Array:
    """Return (..., rows, columns) as a view (..., pieces, rows, columns / pieces)."""
    *lead, rows, columns = matrix.shape
    return matrix.reshape(*lead, rows, pieces, columns // pieces).swapaxes(-2, -3)


def weight_pieces(weights: Array, pieces: int) -> Array:
    """Return weights (..., inner, columns) as pieces (..., pieces, inner, columns / pieces), each without gaps."""
    return np.ascontiguousarray(in_pieces(weights, pieces))


def prepared_product(weights: Array, out: Array) -> tuple[Callable[[Array, Array, Array], Any], Array, Array]:
    """Return how to multiply by the same weights again and again: in pieces where that is quicker.

    Parameters
    ----------
    weights : (inner, columns)
    out : (rows, columns)

    Returns
    -------
    function, weights, view
        ``function(left, weights, view)`` writes left (rows, inner) times the weights into ``out``.
    """
    pieces = column_pieces(len(out), *weights.shape)
    if pieces == 1:  # for small matrices dot takes a quarter of the time of matmul
        return np.ndarray.dot, np.ascontiguousarray(weights), out
    return np.matmul, weight_pieces(weights, pieces), in_pieces(out, pieces)


def rows_product(left: Array, right: Array, out: Array) -> None:
    """Write a product of many rows, (rows, inner) by (inner, columns), into an array without gaps."""
    rows, piece = len(left), _SMALL // max(right.size, 1)
    if rows <= piece or piece < 24:  # as in `add_product`
        left.dot(right, out)
        return
    for first in range(0, rows, piece):
        part = slice(first, first + piece)
        left[part].dot(right, out[part])


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
    if piece < 24:  # narrow pieces are slower than the copy
        piece = inner
    for first in range(0, inner, piece):
        part = slice(first, first + piece)
        np.matmul(left[:, part].T, right, out=room[:, part])
    np.add(total, room, out=total)
