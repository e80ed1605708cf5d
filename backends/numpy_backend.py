"""The NumPy backend: arrays and kernels on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.base import Kernel
from lamina.backends.numpy_activations import NumPyActivationKernels
from lamina.backends.numpy_attention import NumPyAttentionKernels
from lamina.backends.numpy_convolution import NumPyConvolutionKernels
from lamina.backends.numpy_gru import NumPyGRUKernels
from lamina.backends.numpy_lstm import NumPyLSTMKernels
from lamina.backends.numpy_memory import Memory
from lamina.backends.numpy_pooling import NumPyPoolingKernels
from lamina.backends.numpy_products import rows_product
from lamina.backends.numpy_recurrent import NumPyRecurrentKernels
from lamina.backends.numpy_rows import NumPyRows
from lamina.backends.numpy_steps import NumPyStepKernels
from lamina.backends.numpy_threads import Blocks, own_threads
from lamina.backends.numpy_updates import NumPyUpdateKernels

__all__ = ["NumPyBackend"]


class NumPyBackend(
    NumPyRecurrentKernels,
    NumPyLSTMKernels,
    NumPyGRUKernels,
    NumPyStepKernels,
    NumPyUpdateKernels,
    NumPyConvolutionKernels,
    NumPyPoolingKernels,
    NumPyActivationKernels,
    NumPyAttentionKernels,
    NumPyRows,
):
    """NumPy with kernels of its own for what takes time; the generic ones for the rest."""

    name = "numpy"
    xp = np
    array_type = np.ndarray

    #: For each kernel over a batch of sequences: how many arrays of weights it takes, and from which work on a block of
    #: the batch is worth a thread; see `Blocks`.
    in_blocks: ClassVar[Mapping[str, tuple[int, int]]] = {
        "simple_rnn": (3, 1_000_000),
        "lstm": (3, 1_000_000),
        "gru": (4, 1_000_000),
    }

    def __init__(self) -> None:
        self._memory = Memory()

    def empty(self, shape: Sequence[int], dtype: Any) -> Array:
        """Return an array whose content is not set; where it is large, of memory used before."""
        return self._memory.empty(shape, dtype)

    def at_work(self) -> AbstractContextManager[None]:
        """Return a context in which recurrent layers have the threads, see `own_threads`."""
        return own_threads()

    def find_kernel(self, kernel: str, options: dict[str, Any]) -> Kernel:
        """Return the kernel that runs for these options; a recurrent one in blocks of the batch, see `Blocks`."""
        found = super().find_kernel(kernel, options)
        if kernel not in self.in_blocks or found.source == "generic":
            return found
        blocks = Blocks(found.forward, found.backward, *self.in_blocks[kernel], self.empty)
        return found._replace(forward=blocks.forward, backward=blocks.backward)

    # What follows is quicker than the same through NumPy's functions, which do it in Python.

    def full(self, shape: Sequence[int], value: float, dtype: Any) -> Array:
        """Return an array filled with one value."""
        array = self.empty(shape, dtype)
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
            return not any(options.values())
        return True

    def dense_forward(self, x: Array, w: Array, b: Array | None) -> tuple[Array, Saved]:
        """Return y = x w + b; a recurrent layer's time-major view is taken, and given on, without a copy."""
        time_major = x.ndim == 3 and not x.flags.c_contiguous and x.strides[1] > x.strides[0]
        rows = x.transpose(1, 0, 2) if time_major else x
        shape = (*rows.shape[:-1], w.shape[1])
        rows = rows.reshape(-1, x.shape[-1])
        y = self.empty((len(rows), w.shape[1]), w.dtype)
        rows_product(rows, w, y)
        if b is not None:
            y += b
        y = y.reshape(shape)
        return (y.transpose(1, 0, 2) if time_major else y), (rows, shape, time_major)

    def dense_backward(
        self, dy: Array, saved: Saved, w: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """Return dx = dy w^T, None without ``input_gradient``, dw = x^T dy and db = sum dy."""
        rows, shape, time_major = saved
        dy_rows = (dy.transpose(1, 0, 2) if time_major else dy).reshape(-1, shape[-1])
        dx = None
        if input_gradient:
            dx = dy_rows.dot(w.T).reshape(*shape[:-1], w.shape[0])
            dx = dx.transpose(1, 0, 2) if time_major else dx
        db = self.full((len(rows),), 1.0, w.dtype).dot(dy_rows)  # quicker than a sum
        return dx, rows.T.dot(dy_rows), db

    def tanh_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = tanh(x)."""
        y = np.tanh(x)
        return y, y

    def tanh_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy (1 - y^2)."""
        dx = saved * saved
        np.subtract(1, dx, out=dx)
        dx *= dy
        return dx

    def softmax_cross_entropy_forward(
        self,
        logits: Array,
        target: Array,
        row_weight: Array,
        class_weight: Array | None = None,
        smoothing: float = 0.0,
    ) -> tuple[Array, Saved]:
        """Return the loss for integer targets, without class weights and smoothing."""
        rows, classes = logits.shape
        exponential = np.subtract(
            logits, np.maximum.reduce(logits, axis=1, keepdims=True), out=self.empty(logits.shape, logits.dtype)
        )
        places = np.arange(0, rows * classes, classes)  # of the targets, counted through all rows
        places += target.astype(places.dtype, copy=False)
        picked = exponential.take(places)
        np.exp(exponential, out=exponential)
        total = np.add.reduce(exponential, axis=1)
        losses = np.log(total)
        losses -= picked
        loss = losses.dot(row_weight)
        if loss != loss:  # a row that does not count may have an infinite loss, and 0 times that is NaN
            counted = row_weight != 0
            loss = losses[counted].dot(row_weight[counted])
        return np.asarray(loss), (exponential, total, places, row_weight)

    def softmax_cross_entropy_backward(self, saved: Saved) -> Array:
        """Return d logits = r_n (p - q)."""
        gradient, total, places, row_weight = saved  # saved is used once: its array becomes the gradient
        gradient *= (row_weight / total)[:, None]
        gradient.put(places, gradient.take(places) - row_weight)
        return gradient
