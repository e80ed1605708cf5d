"""Random words on CUDA: masks without an array of words, in one launch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.cupy.compiled import THREADS, CompiledKernels, grid_over
from lamina.backends.generic.random import least_kept

__all__ = ["CuPyRandom"]

_FILES = ("indices.cuh", "dropout.cu")
_REAL = np.dtype(np.float32)  # of none of the kernels here


class CuPyRandom(CompiledKernels):
    """The same words as everywhere."""

    def random_words(self, keys: Any, count: int) -> Array:
        """Return a word for each element of each row: (rows, count) of uint32."""
        words = self.empty((len(keys), count), np.uint32)
        self._fill("random_words", keys, (words,), count)
        return words

    def keep_mask(self, keys: Any, shape: Sequence[int], rate: float) -> Array:
        """Return which elements of an array are kept, bool, where each is dropped with the probability ``rate``."""
        keep = self.empty(shape, np.bool_)
        self._fill("keep_mask", keys, (np.uint32(least_kept(rate)), keep), math.prod(shape[1:]))
        return keep

    def _fill(self, name: str, keys: Any, arguments: tuple[Any, ...], count: int) -> None:
        rows = len(keys)
        if rows * count:
            numbers = self.asarray(np.ascontiguousarray(keys, np.uint32).view(np.uint64))
            sizes = np.int64(rows), np.int64(count)
            kernel = self.kernel(name, _FILES, _REAL)
            kernel(grid_over(rows * count), (THREADS,), (numbers, np.uint64(0), *arguments, *sizes))
