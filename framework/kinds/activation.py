"""What all activation layers share: a kernel on one input, without parameters."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value, lowers
from lamina.core.shapes import Shape

__all__ = ["Activation"]


class Activation(Layer):
    """The base class of layers that run one kernel on an input of any shape.

    They name it in ``kernel_name``; what `kernel_options` returns is passed to it by keyword.
    """

    def build(self, shape: Shape) -> Shape:
        """Return the same shape."""
        return shape

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return y of x's shape."""
        kernel = self.kernel
        y, content = kernel.forward(x, **self.kernel_options())
        return y, (kernel, content)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx of x's shape."""
        kernel, content = saved
        return kernel.backward(dy, content)

    @lowers(despite=("kernel_name", "kernel_options"))
    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program."""
        return lowering.apply(self.kernel_name, x, **self.kernel_options())
