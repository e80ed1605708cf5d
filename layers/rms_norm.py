"""Root mean square normalization."""

from __future__ import annotations

from functools import partial
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import flag, number
from lamina.core.gradients import gradients_of
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Shape

__all__ = ["RMSNorm"]


@register
class RMSNorm(Layer):
    """y = x / sqrt(mean(x^2) + epsilon) scale (Zhang & Sennrich, 2019).

    The mean is that of the last axis: each step is normalized alone, as by `LayerNorm`, of which this is what is left
    without the subtraction of the mean and without a shift.

    Parameters
    ----------
    epsilon : float
        Added to the mean of squares.
    use_scale : bool

    Attributes
    ----------
    scale : Parameter (features,)
        Where ``use_scale``; starts at 1.

    Raises
    ------
    ArgumentError
        If epsilon is not a number above 0.
    ShapeError
        If built for a last axis of open size.

    Examples
    --------
    >>> layer = RMSNorm(epsilon=1e-9)
    >>> layer.build((None, 2), dtype="float64")
    (None, 2)
    >>> layer([[1.0, 7.0]]).round(6)
    array([[0.2, 1.4]])
    """

    kernel_name = "rms_norm"

    def __init__(self, *, epsilon: float = 1e-6, use_scale: bool = True) -> None:
        self.epsilon = number("RMSNorm", "epsilon", epsilon, above=0)
        self.use_scale = flag(self, "use_scale", use_scale)

    def build(self, shape: Shape) -> Shape:
        """Create the scale for (..., features); return the same shape."""
        features = self.size_of(shape, -1)
        self.scale = Parameter((features,), "ones") if self.use_scale else None
        return shape

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return y of x's shape, (..., features)."""
        kernel = self.kernel
        y, content = kernel.forward(x, None if self.scale is None else self.scale.data, epsilon=self.epsilon)
        return y, (kernel, content)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx of x's shape; add the scale's gradient."""
        kernel, content = saved
        scale = None if self.scale is None else self.scale.data
        dx, *_ = kernel.backward(dy, content, scale, gradients=partial(gradients_of, (self.scale,)))
        return dx

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program."""
        return lowering.apply("rms_norm", x, weights={"scale": self.scale}, epsilon=self.epsilon)
