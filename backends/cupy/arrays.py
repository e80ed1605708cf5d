"""Primitives on whole arrays that take one launch on CUDA."""

from __future__ import annotations

import math

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.cupy.compiled import THREADS, CompiledKernels, grid_over

__all__ = ["CuPyArrays"]

_REAL = np.dtype(np.float32)  # the kernel has none


class CuPyArrays(CompiledKernels):
    """Zeros past the rows' ends."""

    def zero_past(self, array: Array, lengths: Array | None) -> Array:
        """Return the (batch, time, ...) array with zeros past each row's end; itself without lengths."""
        if lengths is None or array.itemsize > 8:
            return super().zero_past(array, lengths)
        inner = math.prod(array.shape[2:])
        if array.ndim > 3:
            array = self.contiguous(array)
        zeroed = self.empty(array.shape, array.dtype)
        if array.size:
            strides = [np.int64(stride // array.itemsize) for stride in array.strides[:2]]
            strides.append(np.int64(array.strides[2] // array.itemsize if array.ndim == 3 else 1))
            kernel = self.kernel("zero_past", "arrays.cu", _REAL)
            kernel(
                grid_over(array.size),
                (THREADS,),
                (
                    array, self.constant(lengths, "int64"), zeroed, np.int32(array.itemsize), *strides,
                    np.int64(array.shape[1]), np.int64(inner), np.int64(array.size),
                ),
            )  # fmt: skip
        return zeroed
