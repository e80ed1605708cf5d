"""One place along an axis."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape, no_steps, show
from lamina.errors import ShapeError, StreamError
from lamina.kinds.slicing import Picked, axis_of, is_time, pick_steps, place_steps, step_of_rows

__all__ = ["Select"]


@register
class Select(Layer):
    """y = x[:, index], or along another axis, which is gone then; a negative index counts from the end.

    Along the time axis each row is asked for its own step: -1 is its last valid one, as `LastStep` gives it. A row
    that has no such step gives 0. In a ``compose``, ``h[:, -1]`` is a layer of this kind.

    Parameters
    ----------
    index : int
    axis : int
        Not the batch's; by default the second, which is the time axis of (batch, time, features).

    Raises
    ------
    ArgumentError
        If one of them is not a whole number.
    ShapeError
        When built, if there is no such axis, or place, or no other axis than the batch's would be left. When called,
        if the features of rows that differ in length are taken away: no axis would follow the lengths.
    StreamError
        In a `Stream`, if a negative index is not -1, or where the features are taken away.

    Examples
    --------
    >>> layer = Select(-1)
    >>> layer.build((None, None, 1))
    (None, 1)
    >>> layer([[[1.0], [2.0], [3.0]], [[4.0], [0.0], [0.0]]], lengths=[3, 1]).tolist()
    [[3.0], [4.0]]
    """

    def __init__(self, index: int, axis: int = 1) -> None:
        self.index = extent("Select", "index", index, least=None)
        self.axis = extent("Select", "axis", axis, least=None)

    def build(self, shape: Shape) -> Shape:
        """Return the shape without the axis."""
        axis = axis_of(self, shape)
        size = shape[axis]
        if len(shape) < 3:
            raise ShapeError(
                f"{self.label}: expected three axes or more, got {show(shape)}: a slice, "
                f"{self.index}:{self.index + 1 or ''}, keeps its axis"
            )
        if size is not None and not -size <= self.index < size:
            raise ShapeError(f"{self.label}: there is no place {self.index} along axis {axis} of {show(shape)}")
        return (*shape[:axis], *shape[axis + 1 :])

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return the lengths where another axis than time and features is gone, otherwise None."""
        return lengths if all(len(shape) > 3 and self.axis % len(shape) > 1 for (shape,) in self.places) else None

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return x without the axis."""
        axis = self.axis % x.ndim
        if not is_time(self, x.ndim, axis):
            if x.ndim == 3 and lengths is not None and (lengths < x.shape[1]).any():
                raise ShapeError(
                    f"{self.label}: cannot take the features away of rows that differ in length: lengths were given"
                )
            return self._whole(x, axis)
        size = x.shape[1]
        if lengths is None:
            if -size <= self.index < size:
                return self._whole(x, axis)
            return self.backend.zeros((x.shape[0], *x.shape[2:]), x.dtype), (None, x.shape)
        return self._picked(x, step_of_rows(self.index, lengths))

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx: dy where x was taken, 0 elsewhere."""
        place, shape = saved
        if isinstance(place, Picked):
            return place_steps(self.backend, dy[:, None, ...], place, shape[1])
        dx = self.backend.zeros(shape, dy.dtype)
        if place is not None:
            dx[place] = dy
        return dx

    def stream_state(self, batch: int) -> Any:
        """Return how many steps each row has had, none, and zeros: what was taken so far."""
        if not any(is_time(self, len(shape), self.axis) for (shape,) in self.places):
            if any(len(shape) == 3 for (shape,) in self.places):
                raise StreamError(f"{self.label}: cannot stream: it takes the features of every step away")
            return ()
        if self.index < -1:
            raise StreamError(f"{self.label}: cannot stream: step {self.index} is none until the end is known")
        shapes = {tuple(size or 0 for size in shape[2:]) for (shape,) in self.places}
        kept = shapes.pop() if len(shapes) == 1 else (0,)  # of open size, where they differ from place to place
        return no_steps(batch), self.backend.zeros((batch, *kept), self.bound().dtype_object)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Array, Any, Any]:
        """Return the step, as soon as it is there; the last one so far, for an index of -1."""
        (x,) = inputs
        if not is_time(self, x.ndim, self.axis):
            y, saved = self._whole(x, self.axis % x.ndim)
            return y, (), SavedState(self, saved, y) if training else None
        before = state[0] if state else no_steps(x.shape[0])
        had = no_steps(x.shape[0]) + (x.shape[1] if lengths is None else lengths)
        first = had - 1 if self.index < 0 else self.index - before
        picked = Picked(first, ((first >= 0) & (first < had)).astype(had.dtype))
        y, content = self._picked(x, picked)
        if state and not picked.counts.all():
            y = self.backend.choose_rows(picked.counts > 0, y, state[1])
        return y, (before + had, y), SavedState(self, content, y) if training else None

    def _whole(self, x: Array, axis: int) -> tuple[Array, Any]:
        index = tuple(self.index if place == axis else slice(None) for place in range(x.ndim))
        return x[index], (index, x.shape)

    def _picked(self, x: Array, picked: Picked) -> tuple[Array, Any]:
        return pick_steps(self.backend, x, picked, 1)[:, 0, ...], (picked, x.shape)

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program, along the time."""
        if x.frame is None or self.axis % 3 != 1:
            raise lowering.refuse(self, f"takes a place along axis {self.axis}")
        y = lowering.program.value(x.features)
        lowering.call("select_step", (x,), (y,), index=self.index)
        return y
