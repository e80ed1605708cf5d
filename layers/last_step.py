"""The last valid step."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape, show
from lamina.errors import ShapeError

__all__ = ["LastStep"]


@register
class LastStep(Layer):
    """The last valid step of each row: (batch, time, features) becomes (batch, features); 0 for an empty row.

    After a recurrent layer with ``return_sequences=True`` it gives what that layer gives without, in the
    forward direction.

    Raises
    ------
    ShapeError
        If built for another rank.
    """

    def build(self, shape: Shape) -> Shape:
        """Return (batch, features)."""
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected (batch, time, features), got {show(shape)}")
        return (None, shape[2])

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return None: the time axis is gone."""
        return None

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return (batch, features) for x (batch, time, features) and lengths (batch,)."""
        if x.shape[1] == 0:  # as a window leaves of rows that are all too short
            return self.backend.zeros((x.shape[0], x.shape[2]), x.dtype), (None, 0)
        return self.backend.last_step(x, lengths), (lengths, x.shape[1])

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx (batch, time, features): dy at each row's last valid step, 0 elsewhere."""
        lengths, time = saved
        if time == 0:
            return self.backend.zeros((dy.shape[0], 0, dy.shape[1]), dy.dtype)
        return self.backend.scatter_last_step(dy, lengths, time)

    def stream_state(self, batch: int) -> Array:
        """Return zeros (batch, features): the last step so far; no features where they differ from place to place."""
        sizes = {shape[-1] or 0 for (shape,) in self.places}
        return self.backend.zeros((batch, sizes.pop() if len(sizes) == 1 else 0), self.bound().dtype_object)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Array, Array, Any]:
        """Return the last step so far; a row without new ones keeps its own."""
        (x,) = inputs
        y, saved = self.forward(x, lengths=lengths)
        if lengths is not None and state is not None and not lengths.all():
            y = self.backend.choose_rows(lengths > 0, y, state)
        return y, y, saved if training else None

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program."""
        y = lowering.program.value(x.features)
        lowering.call("select_step", (x,), (y,), index=-1)
        return y
