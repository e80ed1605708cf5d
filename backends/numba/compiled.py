"""What the compiled kernels share: the compiled functions, and for which arrays they run."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.numpy.gates import NumPyGateKernels
from lamina.backends.numpy.reading_order import ReadingOrder

__all__ = ["CompiledKernels"]


class CompiledKernels(NumPyGateKernels):
    """Kernels that compile what happens between matrix products.

    Attributes
    ----------
    compiled : module
        `lamina.backends.numba.steps`.
    compiled_dtypes : tuple of dtype
        The dtypes whose steps are compiled. Of float64, Numba has no tanh that is faster than NumPy's.
    """

    compiled: Any
    compiled_dtypes: tuple[np.dtype[Any], ...] = (np.dtype("float32"),)

    def projected(self, order: ReadingOrder, x: Array, w_x: Array, b: Array | None) -> tuple[Array, Array]:
        """Return what `inputs_and_one` does, and x w_x + b in reading order, (rows, gates units)."""
        inputs = self.inputs_and_one(order, x)
        projected = inputs[:, :-1] @ w_x
        if b is not None:
            projected += b
        return inputs, projected
