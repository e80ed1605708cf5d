"""Another shape for the same numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina.backends import Array
from lamina.core.arguments import extent, is_whole
from lamina.core.layer import Layer
from lamina.core.registry import register
from lamina.core.shapes import MOST_AXES, Lengths, Shape, show
from lamina.errors import ArgumentError, ShapeError, StreamError, shown

__all__ = ["Reshape"]


@register
class Reshape(Layer):
    """(batch, ...) becomes (batch, *shape), the numbers in their order.

    Lengths are handed on where every time step stays one: where what follows the time axis has as many numbers
    before and after, as in (batch, time, 6) to (batch, time, 2, 3). Otherwise padding is taken for data, and the
    output has no lengths.

    Parameters
    ----------
    shape : sequence of int
        The output's, without the batch; -1 once stands for what is left, and may be an open size.

    Raises
    ------
    ArgumentError
        If a size is not positive, or -1 stands more than once.
    ShapeError
        When built, if the sizes do not fit the input's, or some of those are open and there is no -1.

    Examples
    --------
    >>> Reshape((2, 3)).build((None, 6))
    (None, 2, 3)
    >>> Reshape((-1, 2, 3)).build((None, None, 6))
    (None, None, 2, 3)
    """

    def __init__(self, shape: Sequence[int]) -> None:
        if not isinstance(shape, (tuple, list)) or not 0 < len(shape) < MOST_AXES:
            raise ArgumentError(f"Reshape: expected a shape such as (2, 3), got {shown(shape)}")
        self.shape = tuple(
            -1 if is_whole(size) and size == -1 else extent("Reshape", "every size", size) for size in shape
        )
        if self.shape.count(-1) > 1:
            raise ArgumentError(f"Reshape: expected -1 once at most, got {self.shape}")

    def build(self, shape: Shape) -> Shape:
        """Return (batch, *shape)."""
        if None not in shape[1:]:
            return (None, *self._sizes(shape))
        if -1 not in self.shape:
            raise ShapeError(f"{self.label}: expected fixed sizes, or -1 in {self.shape}, got {show(shape)}")
        return (None, *(None if size == -1 else size for size in self.shape))

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return the lengths where every time step stays one, otherwise None."""
        return lengths if all(self._keeps_time(shapes[0]) for shapes in self.places) else None

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state, where every time step stays one; otherwise raise `StreamError`."""
        for (shape,) in self.places:
            output = show((None, *self.shape)).replace("-1", "?")
            if len(shape) < 3 and len(self.shape) > 1:
                raise StreamError(
                    f"{self.label}: cannot stream: it makes a time axis of its own, {output} of {show(shape)}"
                )
            if len(shape) > 2 and not self._keeps_time(shape):
                raise StreamError(f"{self.label}: cannot stream: it makes {output} of {show(shape)}: not step for step")
            if len(shape) > 2 and self.shape[0] != -1:
                raise StreamError(f"{self.label}: cannot stream: it needs a fixed time axis: -1 leaves it open")
        return ()

    def forward(self, x: Array) -> tuple[Array, tuple[int, ...]]:
        """Return x as (batch, *shape)."""
        return self.backend.reshape(x, (x.shape[0], *self._sizes(x.shape))), x.shape

    def backward(self, dy: Array, saved: tuple[int, ...]) -> Array:
        """Return dy in x's shape."""
        return self.backend.reshape(dy, saved)

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        """Return the output's sizes after the batch, for an input whose sizes are known."""
        total = math.prod(size or 0 for size in shape[1:])
        known = math.prod(size for size in self.shape if size != -1)
        left, rest = divmod(total, known)
        if rest or (-1 not in self.shape and left != 1):
            raise ShapeError(f"{self.label}: expected sizes that make {self.shape}, got {show(shape)}")
        return tuple(left if size == -1 else size for size in self.shape)

    def _keeps_time(self, shape: Shape) -> bool:
        if len(shape) < 3 or len(self.shape) < 2 or None in shape[2:]:
            return False
        after = self._sizes(shape) if None not in shape[1:] else self.shape
        return -1 not in after[1:] and math.prod(after[1:]) == math.prod(size or 0 for size in shape[2:])
