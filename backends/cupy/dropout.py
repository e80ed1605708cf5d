"""Dropout by a mask on CUDA, in one launch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.cupy.compiled import THREADS, CompiledKernels, grid_over

__all__ = ["CuPyDropoutKernels"]

_FILE = "dropout.cu"


class CuPyDropoutKernels(CompiledKernels):
    """The mask is kept as it is, a byte an element."""

    def dropout_forward(self, x: Array, keep: Array, *, rate: float) -> tuple[Array, Saved]:
        """Return y = x / (1 - rate) where ``keep``, else 0; keep is bool, of x's shape or broadcast to it."""
        scale = 1 / (1 - rate)
        layout = _repeats(x.shape, keep.shape)
        if layout is None:
            keep = self.xp.broadcast_to(keep, x.shape)
            layout = 1, x.size
        keep = self.contiguous(keep)
        return self._masked(x, keep, scale, layout), (keep, scale, layout)

    def dropout_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy / (1 - rate) where kept, else 0."""
        return self._masked(dy, *saved)

    def _masked(self, x: Array, keep: Array, scale: float, layout: tuple[int, int]) -> Array:
        x = self.contiguous(x)
        y = self.empty(x.shape, x.dtype)
        if x.size:
            times, inner = (np.int64(size) for size in layout)
            arguments: tuple[Any, ...] = (x, keep, y, x.dtype.type(scale), times, inner, np.int64(x.size))
            self.kernel("dropout", _FILE, x.dtype)(grid_over(x.size), (THREADS,), arguments)
        return y


def _repeats(shape: tuple[int, ...], kept: tuple[int, ...]) -> tuple[int, int] | None:
    """Return how often a mask's pieces are repeated in an array, and how large these are; None if it is not so simple.

    It is where the axes along which the mask is the same everywhere lie side by side.
    """
    kept = (1,) * (len(shape) - len(kept)) + tuple(kept)
    same = [place for place, (own, size) in enumerate(zip(kept, shape, strict=True)) if own != size]
    if not same:
        return 1, math.prod(shape)
    first, last = same[0], same[-1] + 1
    if math.prod(kept[first:last]) != 1:
        return None
    return math.prod(shape[first:last]), math.prod(shape[last:])
