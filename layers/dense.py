"""The fully connected layer."""

from __future__ import annotations

from functools import partial
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag
from lamina.core.gradients import gradients_of
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Shape

__all__ = ["Dense"]


@register
class Dense(Layer):
    """y = x w + b, on the last axis.

    Parameters
    ----------
    units : int
        The size of the output's last axis.
    use_bias : bool
    w_initializer, b_initializer : str, float or Initializer

    Attributes
    ----------
    w : Parameter (features, units)
    b : Parameter (units,)
        Where ``use_bias``.

    Raises
    ------
    ArgumentError
        If units is not a positive whole number.
    ShapeError
        If built for a last axis of open size.

    Examples
    --------
    >>> layer = Dense(2, w_initializer="ones")
    >>> layer.build((None, 3))
    (None, 2)
    >>> layer([[1.0, 2.0, 3.0]])
    array([[6., 6.]], dtype=float32)
    """

    kernel_name = "dense"

    def __init__(
        self,
        units: int,
        *,
        use_bias: bool = True,
        w_initializer: InitializerLike = "glorot_uniform",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.units = extent(self, "units", units)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.w_initializer = find_initializer(w_initializer)
        self.b_initializer = find_initializer(b_initializer)

    def build(self, shape: Shape) -> Shape:
        """Create the parameters for (..., features); return (..., units)."""
        features = self.size_of(shape, -1)
        self.w = Parameter((features, self.units), self.w_initializer)
        self.b = Parameter((self.units,), self.b_initializer) if self.use_bias else None
        return (*shape[:-1], self.units)

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return y (..., units) for x (..., features)."""
        kernel = self.kernel
        y, content = kernel.forward(x, self.w.data, None if self.b is None else self.b.data)
        return y, (kernel, content)

    def backward(self, dy: Array, saved: Any, *, input_gradient: bool = True) -> Array | None:
        """Return dx = dy w^T; add dw = x^T dy and db = sum dy, over all leading axes."""
        kernel, content = saved
        gradients = partial(gradients_of, (self.w, self.b))
        dx, *_ = kernel.backward(dy, content, self.w.data, input_gradient=input_gradient, gradients=gradients)
        return dx

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program."""
        return lowering.apply("dense", x, self.units, weights={"w": self.w, "b": self.b})
