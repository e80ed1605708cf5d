"""Layer normalization."""

from __future__ import annotations

from functools import partial
from typing import Any

from lamina.backends import Array
from lamina.backends.kernels import Kernel
from lamina.core.arguments import flag, number
from lamina.core.gradients import gradients_of
from lamina.core.lowering import Lowering, Value
from lamina.core.parameter import Parameter
from lamina.core.record import read_only
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape
from lamina.errors import ShapeError
from lamina.kinds.axes import Axes, AxisLayer, read_axes

__all__ = ["LayerNorm"]


@register
class LayerNorm(AxisLayer):
    """y = (x - mean) / sqrt(variance + epsilon) scale + shift (Ba et al., 2016).

    Mean and variance, the latter divided by the number of features, are those of the last axis: each step is
    normalized alone, so padding and the rest of the batch have no part in it. Over other axes they are those of all
    numbers along them; where the time, 1, is one, those of a row's valid steps, and past its end y is 0.

    Parameters
    ----------
    axis : int or tuple of int
        None of them 0, the batch. An axis of open size, such as the time often is, needs ``use_scale=False`` and
        ``use_shift=False``: the parameters have its size.
    epsilon : float
        Added to the variance.
    use_scale, use_shift : bool

    Attributes
    ----------
    scale : Parameter (features,)
        Where ``use_scale``; starts at 1. Of the sizes of several axes, in order.
    shift : Parameter (features,)
        Where ``use_shift``; starts at 0. Of the same shape.

    Raises
    ------
    ArgumentError
        If epsilon is not a number above 0, or an axis is not a whole number, or is 0.
    ShapeError
        If built for an axis of open size, with parameters, or for a shape without it.

    Examples
    --------
    >>> layer = LayerNorm(epsilon=1e-9)
    >>> layer.build((None, 2), dtype="float64")
    (None, 2)
    >>> layer([[1.0, 3.0]]).round(6)
    array([[-1.,  1.]])
    """

    kernel_name = "layer_norm"

    def __init__(
        self, *, axis: Axes = -1, epsilon: float = 1e-5, use_scale: bool = True, use_shift: bool = True
    ) -> None:
        self.axis = read_axes(self, axis)
        self.epsilon = number("LayerNorm", "epsilon", epsilon, above=0)
        self.use_scale = flag(self, "use_scale", use_scale)
        self.use_shift = flag(self, "use_shift", use_shift)

    @read_only
    def kernel(self) -> Kernel:
        """The forward and backward pair that really runs."""
        return super().kernel if self.axis == -1 else self.backend.select("axis_norm")

    def _heeds_lengths(self) -> bool:
        return self.axis != -1 or type(self).forward is not LayerNorm.forward

    def build(self, shape: Shape) -> Shape:
        """Create the parameters for (..., features); return the same shape."""
        axes = (len(shape) - 1,) if self.axis == -1 else self.axes_of(shape)
        fixed = self.axis == -1 or self.use_scale or self.use_shift
        sizes = tuple(self.size_of(shape, axis) for axis in axes) if fixed else ()
        self.scale = Parameter(sizes, "ones") if self.use_scale else None
        self.shift = Parameter(sizes, "zeros") if self.use_shift else None
        return shape

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return y of x's shape, (..., features)."""
        kernel = self.kernel
        scale, shift = self._affine()
        if self.axis == -1:
            y, content = kernel.forward(x, scale, shift, epsilon=self.epsilon)
            return y, (kernel, content, None)
        axes = self.axes_of(x.shape)
        scale, shift = (self._along(one, x, axes) for one in (scale, shift))
        y, content = kernel.forward(x, scale, shift, lengths, axes=axes, epsilon=self.epsilon)
        return y, (kernel, content, (scale, shift))

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx of x's shape; add the parameters' gradients."""
        kernel, content, along = saved
        if along is None:
            along, gradients = self._affine()[:1], partial(gradients_of, (self.scale, self.shift))
        else:
            gradients = partial(self._gradients, along)
        dx, *_ = kernel.backward(dy, content, *along, gradients=gradients)
        return dx

    def _gradients(self, along: tuple[Any, ...]) -> list[Array | None]:
        """Return the parameters' gradients in the shapes that broadcast to x."""
        gradients = zip(gradients_of((self.scale, self.shift)), along, strict=True)
        return [None if one is None else self.backend.reshape(one, own.shape) for one, own in gradients]

    def _affine(self) -> tuple[Array | None, Array | None]:
        return None if self.scale is None else self.scale.data, None if self.shift is None else self.shift.data

    def _along(self, values: Array | None, x: Array, axes: tuple[int, ...]) -> Array | None:
        """Return a parameter as an array that broadcasts to x."""
        if values is None:
            return None
        sizes = dict(zip(axes, values.shape, strict=True))
        for axis, size in sizes.items():
            if x.shape[axis] != size:
                raise ShapeError(f"{self.label}: expected a size of {size} of axis {axis}, got {tuple(x.shape)}")
        return self.backend.reshape(values, tuple(sizes.get(axis, 1) for axis in range(x.ndim)))

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program, over the last axis."""
        rank = 2 if x.frame is None else 3
        if self.axis not in (-1, rank - 1):
            raise lowering.refuse(self, f"is over axis {self.axis}")
        weights = {"scale": self.scale, "shift": self.shift}
        return lowering.apply("layer_norm", x, weights=weights, epsilon=self.epsilon)
