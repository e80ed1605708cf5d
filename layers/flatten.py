"""Flattening."""

from __future__ import annotations

import math

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape, show
from lamina.errors import ShapeError, StreamError

__all__ = ["Flatten"]


@register
class Flatten(Layer):
    """All axes but the batch as one: (batch, a, b, ...) becomes (batch, a b ...).

    Needs fixed sizes, and takes padding for data: it ignores lengths.

    Raises
    ------
    ShapeError
        If built for an open size.
    """

    def build(self, shape: Shape) -> Shape:
        """Return (batch, product of the other axes)."""
        return (None, math.prod(self.size_of(shape, axis) for axis in range(1, len(shape))))

    def check_input(self, index: int, array: Array, shape: Shape) -> None:
        """Raise `ShapeError` unless all axes but the batch are as built."""
        if array.ndim != len(shape) or tuple(array.shape[1:]) != shape[1:]:
            raise ShapeError(f"{self.label}: expected {show(shape)}, got {tuple(array.shape)}")

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return None: the time axis is gone."""
        return None

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state, where there is no time axis any more; otherwise raise `StreamError`."""
        if any(len(shape) > 2 for (shape,) in self.places):
            raise StreamError(f"{self.label}: cannot stream: it makes one vector of all steps")
        return ()

    def forward(self, x: Array) -> tuple[Array, tuple[int, ...]]:
        """Return x as (batch, size)."""
        size = math.prod(x.shape[1:])
        return self.backend.reshape(x, (x.shape[0], size)), x.shape

    def backward(self, dy: Array, saved: tuple[int, ...]) -> Array:
        """Return dy in x's shape."""
        return self.backend.reshape(dy, saved)
