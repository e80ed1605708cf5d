"""NumPy's kernels for activations: fewer passes through memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.backend import Backend

__all__ = ["BLOCK", "NumPyActivationKernels"]

# Elements: the dozen arrays of this size that GELU needs at once stay in a core's cache.
BLOCK = 8192


class NumPyActivationKernels(Backend):
    """Tanh in place, and GELU and mish on one block after another: their dozen operations would go through memory."""

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

    def gelu_forward(self, x: Array, *, approximate: str = "none") -> tuple[Array, Saved]:
        """Return y = x P(Z <= x) and the slope; both lie in memory as x does."""
        return _in_blocks(partial(super().gelu_forward, approximate=approximate), x)

    def gelu_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy times the slope."""
        return dy * saved

    def mish_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = x tanh(log(1 + exp(x))) and the slope; both lie in memory as x does."""
        return _in_blocks(super().mish_forward, x)

    def mish_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy times the slope."""
        return dy * saved


def _in_blocks(forward: Callable[[Array], tuple[Array, Saved]], x: Array) -> tuple[Array, Saved]:
    """Return the two arrays that a kernel gives of x, taken through it in blocks."""
    order = np.argsort([-stride for stride in x.strides], kind="stable")
    laid = x.transpose(order)
    flat = laid.reshape(-1)
    y, slope = np.empty_like(flat), np.empty_like(flat)
    for start in range(0, flat.size, BLOCK):
        part = slice(start, start + BLOCK)
        y[part], slope[part] = forward(flat[part])
    back = np.argsort(order)
    return y.reshape(laid.shape).transpose(back), slope.reshape(laid.shape).transpose(back)
