"""What activations along an axis share: a kernel for the last one, another for any."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.backends.kernels import Kernel
from lamina.core.lowering import Lowering, Value, lowers
from lamina.core.record import read_only
from lamina.core.shapes import Lengths
from lamina.kinds.activation import Activation
from lamina.kinds.axes import AxisLayer, read_axes

__all__ = ["AxisActivation"]


class AxisActivation(AxisLayer, Activation):
    """The base class of activations that take the numbers along an axis together.

    They name the kernel over the last axis in ``kernel_name``; that over any is called ``axis_`` and that name.

    Parameters
    ----------
    axis : int
        Not 0, the batch. With lengths, over the time, 1, valid steps alone count. Past a row's end the output is 0.

    Raises
    ------
    ArgumentError
        If the axis is not a whole number, or is 0.
    ShapeError
        If built for a shape without that axis.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis: int = read_axes(self, axis, several=False)  # type: ignore[assignment]  # one alone

    @read_only
    def kernel(self) -> Kernel:
        """The forward and backward pair that really runs."""
        if self.axis == -1:
            return super().kernel
        return self.backend.select(f"axis_{self.kernel_name}")

    def _heeds_lengths(self) -> bool:
        return self.axis != -1 or type(self).forward is not AxisActivation.forward

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return y of x's shape."""
        kernel = self.kernel
        if self.axis == -1:
            y, content = kernel.forward(x)
        else:
            y, content = kernel.forward(x, lengths, axis=self.axes_of(x.shape)[0])
        return y, (kernel, content)

    @lowers(despite=("kernel_name", "kernel_options"))
    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program, over the last axis."""
        if self.axis % (2 if x.frame is None else 3) != (1 if x.frame is None else 2):
            raise lowering.refuse(self, f"is over axis {self.axis}")
        return lowering.apply(self.kernel_name, x, **self.kernel_options())
