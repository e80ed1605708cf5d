"""Steps before and past each row's end on CUDA: one launch each, by lengths that are uploaded once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.cupy.compiled import THREADS, CompiledKernels, grid_over

__all__ = ["CuPyPadding"]

_CHARS = "fd"
_FLOAT = np.dtype("float32")  # for kernels that compute in no type


class CuPyPadding(CompiledKernels):
    """For lengths on the host; those on the device go the generic way, but for zeros past an end."""

    def zero_past(self, array: Array, lengths: Array | None) -> Array:
        """Return the (batch, time, ...) array with zeros past each row's end; itself without lengths."""
        if lengths is None or array.itemsize > 8:
            return super().zero_past(array, lengths)
        if array.ndim > 3:
            array = self.contiguous(array)
        zeroed = self.empty(array.shape, array.dtype)
        sizes = array.shape[1], math.prod(array.shape[2:])
        strides = [stride // array.itemsize for stride in array.strides[:3]]
        if array.ndim != 3:
            strides[2:] = [1]
        given = array, self.constant(lengths, "int64")
        self._launch("zero_past", _FLOAT, zeroed, *given, zeroed, *sizes, *strides, array.itemsize)
        return zeroed

    def valid_steps(self, lengths: Array, time: int) -> Array:
        """Return which steps lie before each row's end: (batch, time), bool."""
        if self.is_array(lengths):
            return super().valid_steps(lengths, time)
        valid = self.empty((len(lengths), time), np.dtype("bool"))
        self._launch("valid_steps", _FLOAT, valid, self.constant(lengths, "int64"), valid, time)
        return valid

    def last_step(self, array: Array, lengths: Array | None) -> Array:
        """Return the last valid step of (batch, time, features) as (batch, features); 0 for an empty row."""
        if lengths is None or self.is_array(lengths) or array.dtype.char not in _CHARS:
            return super().last_step(array, lengths)
        batch, time, features = array.shape
        made = self.empty((batch, features), array.dtype)
        given = self.contiguous(array), self.constant(lengths, "int64")
        self._launch("last_step", array.dtype, made, *given, made, time, features)
        return made

    def scatter_last_step(self, values: Array, lengths: Array | None, time: int) -> Array:
        """Return zeros (batch, time, features) with the values at each row's last valid step."""
        if lengths is None or self.is_array(lengths) or values.dtype.char not in _CHARS:
            return super().scatter_last_step(values, lengths, time)
        batch, features = values.shape
        made = self.empty((batch, time, features), values.dtype)
        given = self.contiguous(values), self.constant(lengths, "int64")
        self._launch("scatter_last_step", values.dtype, made, *given, made, time, features)
        return made

    def _launch(self, name: str, dtype: Any, made: Array, *arguments: Any) -> None:
        """Launch a kernel with arrays, how many elements are made, and sizes, which are whole numbers."""
        if made.size:
            arrays = [one for one in arguments if not isinstance(one, int)]
            sizes = [np.int64(one) for one in arguments if isinstance(one, int)]
            kernel = self.kernel(name, "padding.cu", dtype)
            kernel(grid_over(made.size), (THREADS,), (*arrays, np.int64(made.size), *sizes))
