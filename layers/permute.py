"""Axes in another order."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.backends import Array
from lamina.core.arguments import is_whole
from lamina.core.layer import Layer
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape, show
from lamina.errors import ArgumentError, ShapeError, StreamError, shown

__all__ = ["Permute"]


@register
class Permute(Layer):
    """Axes in another order, the batch's first.

    Lengths are handed on where axis 1, the time, stays where it is; otherwise the output has none.

    Parameters
    ----------
    axes : sequence of int
        Which of the input's axes stands where, from 1 on: (2, 1) makes (batch, features, time) of
        (batch, time, features).

    Raises
    ------
    ArgumentError
        If the axes are not the numbers from 1 on, in any order.
    ShapeError
        If built for another rank.

    Examples
    --------
    >>> Permute((2, 1)).build((None, 5, 3))
    (None, 3, 5)
    """

    def __init__(self, axes: Sequence[int]) -> None:
        valid = isinstance(axes, (tuple, list)) and len(axes) > 0 and all(map(is_whole, axes))
        if not valid or sorted(axes) != list(range(1, len(axes) + 1)):
            raise ArgumentError(
                f"Permute: expected the axes from 1 on in some order, such as (2, 1), got {shown(axes)}"
            )
        self.axes = tuple(int(axis) for axis in axes)

    def build(self, shape: Shape) -> Shape:
        """Return the shape with its axes in that order."""
        if len(shape) != len(self.axes) + 1:
            raise ShapeError(f"{self.label}: expected {len(self.axes) + 1} axes, got {show(shape)}")
        return (None, *(shape[axis] for axis in self.axes))

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return the lengths where the time axis stays where it is, otherwise None."""
        return lengths if self.axes[0] == 1 else None

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state, where the time axis stays where it is; otherwise raise `StreamError`."""
        if self.axes[0] != 1:
            raise StreamError(f"{self.label}: cannot stream: it puts axis {self.axes[0]} in the place of the time axis")
        return ()

    def forward(self, x: Array) -> tuple[Array, None]:
        """Return x with its axes in that order; where the backend can, a view."""
        return self.backend.permute(x, (0, *self.axes)), None

    def backward(self, dy: Array, saved: None) -> Array:
        """Return dy with its axes put back."""
        back = sorted(range(1, len(self.axes) + 1), key=lambda axis: self.axes[axis - 1])
        return self.backend.permute(dy, (0, *back))
