"""Layer normalization."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import flag, number
from lamina.core.gradients import add_to_gradients
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Shape

__all__ = ["LayerNorm"]


@register
class LayerNorm(Layer):
    """y = (x - mean) / sqrt(variance + epsilon) scale + shift (Ba et al., 2016).

    Mean and variance, the latter divided by the number of features, are those of the last axis: each step is
    normalized alone, so padding and the rest of the batch have no part in it.

    Parameters
    ----------
    epsilon : float
        Added to the variance.
    use_scale, use_shift : bool

    Attributes
    ----------
    scale : Parameter (features,)
        Where ``use_scale``; starts at 1.
    shift : Parameter (features,)
        Where ``use_shift``; starts at 0.

    Raises
    ------
    ArgumentError
        If epsilon is not a number above 0.
    ShapeError
        If built for a last axis of open size.

    Examples
    --------
    >>> layer = LayerNorm(epsilon=1e-9)
    >>> layer.build((None, 2), dtype="float64")
    (None, 2)
    >>> layer([[1.0, 3.0]]).round(6)
    array([[-1.,  1.]])
    """

    kernel_name = "layer_norm"

    def __init__(self, *, epsilon: float = 1e-5, use_scale: bool = True, use_shift: bool = True) -> None:
        self.epsilon = number("LayerNorm", "epsilon", epsilon, above=0)
        self.use_scale = flag(self, "use_scale", use_scale)
        self.use_shift = flag(self, "use_shift", use_shift)

    def build(self, shape: Shape) -> Shape:
        """Create the parameters for (..., features); return the same shape."""
        features = self.size_of(shape, -1)
        self.scale = Parameter((features,), "ones") if self.use_scale else None
        self.shift = Parameter((features,), "zeros") if self.use_shift else None
        return shape

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return y of x's shape, (..., features)."""
        kernel = self.kernel
        y, content = kernel.forward(
            x,
            None if self.scale is None else self.scale.data,
            None if self.shift is None else self.shift.data,
            epsilon=self.epsilon,
        )
        return y, (kernel, content)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx of x's shape; add the parameters' gradients."""
        kernel, content = saved
        dx, dscale, dshift = kernel.backward(dy, content, None if self.scale is None else self.scale.data)
        add_to_gradients((self.scale, self.shift), (dscale, dshift))
        return dx
