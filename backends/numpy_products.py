"""Matrix products cut into pieces that OpenBLAS computes without copying its operands first."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array

__all__ = ["add_product", "column_pieces", "in_pieces", "weight_pieces"]

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
