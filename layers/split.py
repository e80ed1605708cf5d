"""An axis in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape, Shapes, show
from lamina.errors import ArgumentError, ShapeError, StreamError, shown
from lamina.kinds.slicing import axis_of, is_time, part_lengths

__all__ = ["Split"]

_MOST_PARTS = 65_536


@register
class Split(Layer):
    """Several outputs: consecutive parts of an axis, all of one size, or of sizes that are given.

    Along the time axis each part has the lengths of what of each row lies in it. In a ``compose``,
    ``a, b = t(self.split, h)``.

    Parameters
    ----------
    parts : int or sequence of int
        How many parts, or the size of each: two or more.
    axis : int
        Not the batch's; by default that of the features.

    Raises
    ------
    ArgumentError
        If there are not two parts or more, or a size is not a whole number of 1 or more.
    ShapeError
        If the parts do not make the axis; when built, if its size is open.
    StreamError
        In a `Stream`, along the time axis.

    Examples
    --------
    >>> layer = Split([1, 2])
    >>> layer.build((None, 3))
    ((None, 1), (None, 2))
    >>> [part.tolist() for part in layer([[1.0, 2.0, 3.0]])]
    [[[1.0]], [[2.0, 3.0]]]
    """

    def __init__(self, parts: int | Sequence[int], axis: int = -1) -> None:
        if isinstance(parts, (tuple, list)):
            if len(parts) < 2:
                raise ArgumentError(f"Split: expected two parts or more, got {shown(parts)}")
            self.parts: int | tuple[int, ...] = tuple(extent("Split", "every size", size) for size in parts)
        else:
            self.parts = extent("Split", "parts", parts, least=2)
        if (self.parts if isinstance(self.parts, int) else len(self.parts)) > _MOST_PARTS:
            raise ArgumentError(f"Split: expected parts to be {_MOST_PARTS} at most, got {shown(parts)}")
        self.axis = extent("Split", "axis", axis, least=None)

    def build(self, shape: Shape) -> Shapes:
        """Return the shape of each part."""
        axis = axis_of(self, shape)
        return tuple((*shape[:axis], size, *shape[axis + 1 :]) for size in self._sizes(shape))

    def check_input(self, index: int, array: Array, shape: Shape) -> None:
        """Raise `ShapeError` unless the axis has the size that was built for."""
        super().check_input(index, array, shape)
        axis = self.axis % len(shape)
        if array.shape[axis] != shape[axis]:
            raise ShapeError(f"{self.label}: expected {shape[axis]} along axis {axis}, got {tuple(array.shape)}")

    def output_lengths(self, lengths: Lengths | None) -> Any:
        """Return the lengths of each part along the time axis; along another one all have the input's."""
        shape = self.input_shapes[0]
        if lengths is None or not is_time(self, len(shape), self.axis):
            return lengths
        return part_lengths(lengths, self._sizes(shape))

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state; raise `StreamError` along the time axis: one part ends before the next begins."""
        if any(is_time(self, len(shape), self.axis) for (shape,) in self.places):
            raise StreamError(f"{self.label}: cannot stream: it takes the time axis apart")
        return ()

    def forward(self, x: Array) -> tuple[tuple[Array, ...], int]:
        """Return the parts."""
        axis = self.axis % x.ndim
        return tuple(self.backend.split(x, self._sizes(x.shape), axis)), axis

    def backward(self, dy: tuple[Array, ...], saved: int) -> Array:
        """Return the parts' gradients side by side."""
        return self.backend.concatenate(dy, saved)

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        axis = axis_of(self, shape)
        size = self.size_of(shape, axis)
        if isinstance(self.parts, int):
            if size % self.parts:
                raise ShapeError(f"{self.label}: expected {self.parts} equal parts of axis {axis}, got {show(shape)}")
            return (size // self.parts,) * self.parts
        if sum(self.parts) != size:
            raise ShapeError(f"{self.label}: expected parts {shown(self.parts)} of axis {axis}, got {show(shape)}")
        return self.parts

    def lower(self, lowering: Lowering, x: Value) -> tuple[Value, ...]:
        """Add the parts to a program, of the features."""
        rank = 2 if x.frame is None else 3
        if self.axis % rank != rank - 1:
            raise lowering.refuse(self, f"is along axis {self.axis}")
        sizes = self._sizes((*(None,) * (rank - 1), x.features))
        return tuple(lowering.take(x, sum(sizes[:place]), size) for place, size in enumerate(sizes))
