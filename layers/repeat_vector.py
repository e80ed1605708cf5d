"""A vector as a sequence of itself."""

from __future__ import annotations

from lamina.backends import Array
from lamina.core.arguments import extent
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape, show
from lamina.errors import ShapeError, StreamError

__all__ = ["RepeatVector"]


@register
class RepeatVector(Layer):
    """(batch, features) becomes (batch, count, features), each step the same: what a decoder reads, say.

    The output has no lengths: all its steps are valid.

    Parameters
    ----------
    count : int
        The number of steps.

    Raises
    ------
    ArgumentError
        If count is not a whole number of 1 or more.
    ShapeError
        If built for another rank.
    """

    def __init__(self, count: int) -> None:
        self.count = extent("RepeatVector", "count", count)

    def build(self, shape: Shape) -> Shape:
        """Return (batch, count, features)."""
        if len(shape) != 2:
            raise ShapeError(f"{self.label}: expected (batch, features), got {show(shape)}")
        return (None, self.count, shape[1])

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return None: all steps are valid."""
        return None

    def stream_state(self, batch: int) -> None:
        """Refuse: the steps are not the stream's."""
        raise StreamError(f"{self.label}: cannot stream: it makes a time axis of its own, of {self.count} steps")

    def forward(self, x: Array) -> tuple[Array, None]:
        """Return (batch, count, features) for x (batch, features)."""
        step = self.backend.reshape(x, (x.shape[0], 1, x.shape[1]))
        return self.backend.concatenate([step] * self.count, 1), None

    def backward(self, dy: Array, saved: None) -> Array:
        """Return dx (batch, features), the sum of dy over the steps."""
        batch, _, features = dy.shape
        return self.backend.reshape(self.backend.sum_to(dy, (batch, 1, features)), (batch, features))

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program, and a frame of rows that all have so many steps."""
        return lowering.spread(x, lowering.program.derive(0, self.count, fixed=1))
