"""Rounding as a device has it: products by the kernel that their shapes choose, atomics in no order at all."""

import random

import numpy as np

__all__ = ["Jitter", "jitter"]


class Jitter:
    """Off, everything is as NumPy rounds it. On, what a GPU does not promise is not given.

    A product is summed in two parts, cut where shape and layout say: the same for the same arrays, as cuBLAS is,
    another for other shapes. Atomic additions come in a new order each time.

    Attributes
    ----------
    on : bool
    """

    def __init__(self):
        self.on = False
        self._order = random.Random(0)

    def product(self, a, b):
        """Return the matrix product of two host arrays of floats, of two axes or more."""
        inner = a.shape[-1]
        if not self.on or a.dtype.kind != "f" or inner < 3 or not a.size or not b.size:
            return np.matmul(a, b)
        seed = 7 * a.shape[-2] + 3 * b.shape[-1] + inner + 5 * a.flags.c_contiguous + 11 * b.flags.c_contiguous
        cut = 1 + seed % (inner - 1)
        return np.matmul(a[..., cut:], b[..., cut:, :]) + np.matmul(a[..., :cut], b[..., :cut, :])

    def arrival(self, count):
        """Return in which order so many atomic additions arrive."""
        order = list(range(count))
        if self.on:
            self._order.shuffle(order)
        return order


jitter = Jitter()
