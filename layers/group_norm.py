"""Group normalization."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag, number
from lamina.core.gradients import gradients_of
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape
from lamina.errors import ShapeError, StreamError

__all__ = ["GroupNorm"]


@register
class GroupNorm(Layer):
    """y = (x - mean) / sqrt(variance + epsilon) scale + shift, of each row and group of features (Wu & He, 2018).

    Features stand last, and neighbours make a group. Of a sequence (batch, time, features), mean and variance are those
    of a group's features over all valid steps of the row; past its end y is 0. The rest of the batch has no part in it.
    One group is a `LayerNorm` over all axes but the batch's; as many groups as features are instance normalization.

    Parameters
    ----------
    groups : int
        How many; they share the features out evenly.
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
        If groups is not a positive whole number, or epsilon not a number above 0.
    ShapeError
        If built for a last axis of open size, or for features that the groups cannot share out.

    Examples
    --------
    >>> layer = GroupNorm(2, epsilon=1e-9)
    >>> layer.build((None, None, 2), dtype="float64")
    (None, None, 2)
    >>> layer([[[1.0, 5.0], [3.0, 4.0], [9.0, 9.0]]], lengths=[2]).round(6).tolist()
    [[[-1.0, 1.0], [1.0, -1.0], [0.0, 0.0]]]
    """

    kernel_name = "axis_norm"

    def __init__(self, groups: int, *, epsilon: float = 1e-5, use_scale: bool = True, use_shift: bool = True) -> None:
        self.groups = extent(self, "groups", groups)
        self.epsilon = number("GroupNorm", "epsilon", epsilon, above=0)
        self.use_scale = flag(self, "use_scale", use_scale)
        self.use_shift = flag(self, "use_shift", use_shift)

    def build(self, shape: Shape) -> Shape:
        """Create the parameters for (batch, ..., features); return the same shape."""
        features = self.size_of(shape, -1)
        if features % self.groups:
            raise ShapeError(f"{self.label}: expected features that {self.groups} groups share out, got {features}")
        self.scale = Parameter((features,), "ones") if self.use_scale else None
        self.shift = Parameter((features,), "zeros") if self.use_shift else None
        return shape

    def stream_state(self, batch: int) -> Any:
        """Raise `StreamError`: a step's output depends on all of its row."""
        raise StreamError(f"{self.label}: cannot stream: it normalizes over all steps of a row")

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return y of x's shape, (batch, ..., features)."""
        kernel, backend = self.kernel, self.backend
        apart = (self.groups, x.shape[-1] // self.groups)
        scale, shift = (None if one is None else backend.reshape(one.data, apart) for one in (self.scale, self.shift))
        y, content = kernel.forward(
            backend.reshape(x, (*x.shape[:-1], *apart)),
            scale,
            shift,
            lengths,
            axes=(*range(1, x.ndim - 1), x.ndim),
            epsilon=self.epsilon,
        )
        return backend.reshape(y, x.shape), (kernel, content, scale, shift)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx of x's shape, 0 past each row's end; add the parameters' gradients."""
        kernel, content, scale, shift = saved
        backend = self.backend
        apart = (*dy.shape[:-1], self.groups, dy.shape[-1] // self.groups)

        def gradients() -> list[Array | None]:
            own = zip(gradients_of((self.scale, self.shift)), (scale, shift), strict=True)
            return [None if one is None else backend.reshape(one, given.shape) for one, given in own]

        dx, *_ = kernel.backward(backend.reshape(dy, apart), content, scale, shift, gradients=gradients)
        return backend.reshape(dx, dy.shape)
