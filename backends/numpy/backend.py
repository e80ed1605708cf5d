"""The NumPy backend: arrays and kernels on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.kernels import Kernel
from lamina.backends.numpy.activations import NumPyActivationKernels
from lamina.backends.numpy.attention import NumPyAttentionKernels
from lamina.backends.numpy.convolution import NumPyConvolutionKernels
from lamina.backends.numpy.ctc import NumPyCTCKernels
from lamina.backends.numpy.dense import NumPyDenseKernels
from lamina.backends.numpy.grouped_convolution import NumPyGroupedConvolutionKernels
from lamina.backends.numpy.gru import NumPyGRUKernels
from lamina.backends.numpy.ind_rnn import NumPyIndRNNKernels
from lamina.backends.numpy.losses import NumPyLossKernels
from lamina.backends.numpy.lru import NumPyLRUKernels
from lamina.backends.numpy.lstm import NumPyLSTMKernels
from lamina.backends.numpy.memory import Memory
from lamina.backends.numpy.min_rnn import NumPyMinRNNKernels
from lamina.backends.numpy.normalization import NumPyNormalizationKernels
from lamina.backends.numpy.one_step import NumPyStepKernels
from lamina.backends.numpy.pooling import NumPyPoolingKernels
from lamina.backends.numpy.random import NumPyRandom
from lamina.backends.numpy.rows import NumPyRows
from lamina.backends.numpy.simple_rnn import NumPySimpleRNNKernels
from lamina.backends.numpy.slstm import NumPySLSTMKernels
from lamina.backends.numpy.threads import Blocks, Cut, own_threads
from lamina.backends.numpy.transposed_convolution import NumPyTransposedConvolutionKernels
from lamina.backends.numpy.updates import NumPyUpdateKernels

__all__ = ["NumPyBackend"]


class NumPyBackend(
    NumPySimpleRNNKernels,
    NumPyLSTMKernels,
    NumPyGRUKernels,
    NumPyMinRNNKernels,
    NumPyLRUKernels,
    NumPySLSTMKernels,
    NumPyIndRNNKernels,
    NumPyStepKernels,
    NumPyDenseKernels,
    NumPyActivationKernels,
    NumPyNormalizationKernels,
    NumPyLossKernels,
    NumPyCTCKernels,
    NumPyUpdateKernels,
    NumPyConvolutionKernels,
    NumPyGroupedConvolutionKernels,
    NumPyTransposedConvolutionKernels,
    NumPyPoolingKernels,
    NumPyAttentionKernels,
    NumPyRows,
    NumPyRandom,
):
    """NumPy with kernels of its own for what takes time; the generic ones for the rest."""

    name = "numpy"
    xp = np
    array_type = np.ndarray

    #: The kernels over a batch of sequences that are cut into blocks of it.
    in_blocks: ClassVar[Mapping[str, Cut]] = {
        "simple_rnn": Cut(3),
        "lstm": Cut(3),
        "gru": Cut(4),
        "slstm": Cut(3),
        "min_gru": Cut(2, counts=0, gates=2, taken=1),
        "min_lstm": Cut(2, counts=0, gates=3, taken=1),
        "lru": Cut(4, counts=2, gates=1, taken=4),
        "ind_rnn": Cut(3, counts=0, gates=1),
    }

    def __init__(self) -> None:
        self._memory = Memory()
        self._least = self._memory.least

    def empty(self, shape: Sequence[int], dtype: Any) -> Array:
        """Return an array whose content is not set; where it is large, of memory used before."""
        array: Array = np.empty(shape, dtype)
        return array if array.nbytes < self._least else self._memory.in_place_of(array)

    def at_work(self) -> AbstractContextManager[None]:
        """Return a context in which recurrent layers have the threads, see `own_threads`."""
        return own_threads()

    def find_kernel(self, kernel: str, options: dict[str, Any]) -> Kernel:
        """Return the kernel that runs for these options; a recurrent one in blocks of the batch, see `Blocks`."""
        found = super().find_kernel(kernel, options)
        if found.source == "generic":
            return found
        cut = self.in_blocks.get(kernel)
        if cut is None:
            return found
        blocks = Blocks(found.forward, found.backward, cut, self.empty)
        return found._replace(forward=blocks.forward, backward=blocks.backward)

    # What follows is quicker than the same through NumPy's functions, which do it in Python.

    def full(self, shape: Sequence[int], value: float, dtype: Any) -> Array:
        """Return an array filled with one value."""
        array: Array = np.empty(shape, dtype)
        if array.nbytes >= self._least:
            array = self._memory.in_place_of(array)
        array.fill(value)
        return array

    def reshape(self, array: Array, shape: Sequence[int]) -> Array:
        """Return the array in another shape; -1 once stands for what is left."""
        return array.reshape(shape)

    def astype(self, array: Array, dtype: Any) -> Array:
        """Return the array converted to a dtype."""
        return array.astype(dtype, copy=False)

    def dtype(self, name: str) -> Any:
        """Return NumPy's dtype of that name."""
        return np.dtype(name)  # an instance: comparing with one is faster than with np.float32

    def is_float(self, array: Array) -> bool:
        """Tell whether the array holds real floating-point numbers."""
        return bool(array.dtype.kind == "f")

    def is_integer(self, array: Array) -> bool:
        """Tell whether the array holds whole numbers."""
        return bool(array.dtype.kind in "iu")

    def supports(self, kernel: str, **options: Any) -> bool:
        """Tell whether this backend's own kernel handles the options."""
        if kernel == "softmax_cross_entropy":
            return not any(value for option, value in options.items() if option != "each")
        return True
