"""The rectified linear unit whose slope below 0 is learnt."""

from __future__ import annotations

from functools import partial
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import flag
from lamina.core.gradients import gradients_of
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Shape

__all__ = ["PReLU"]


@register
class PReLU(Layer):
    """y = x where x > 0, else slope x, with a slope that is learnt (He et al., 2015); at 0 it is the one below.

    Parameters
    ----------
    shared : bool
        Whether all features have one slope, as by default in PyTorch, or each its own.
    slope_initializer : str, float or Initializer

    Attributes
    ----------
    slope : Parameter (features,), or (1,) where ``shared``

    Raises
    ------
    ShapeError
        If built for a last axis of open size.

    Examples
    --------
    >>> layer = PReLU()
    >>> layer.build((None, 2))
    (None, 2)
    >>> layer([[-2.0, 2.0]]).tolist()
    [[-0.5, 2.0]]
    """

    kernel_name = "prelu"

    def __init__(self, *, shared: bool = False, slope_initializer: InitializerLike = 0.25) -> None:
        self.shared = flag(self, "shared", shared)
        self.slope_initializer = find_initializer(slope_initializer)

    def build(self, shape: Shape) -> Shape:
        """Create the slope for (..., features); return the same shape."""
        features = self.size_of(shape, -1)
        self.slope = Parameter((1 if self.shared else features,), self.slope_initializer)
        return shape

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return y of x's shape, (..., features)."""
        kernel = self.kernel
        y, content = kernel.forward(x, self.slope.data)
        return y, (kernel, content)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx of x's shape; add the slope's gradient."""
        kernel, content = saved
        dx, *_ = kernel.backward(dy, content, self.slope.data, gradients=partial(gradients_of, (self.slope,)))
        return dx

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program."""
        return lowering.apply("prelu", x, weights={"slope": self.slope})
