"""A part of an axis."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape, show
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.kinds.slicing import axis_of, is_time, pick_steps, place_steps, slice_of_rows, stays_within

__all__ = ["Slice"]


@register
class Slice(Layer):
    """y = x[:, start:stop:step], or along another axis, as Python slices: bounds may be negative, or left out.

    Along the time axis each row is sliced for itself: negative bounds count from the row's own end, a negative step
    begins there, and the lengths become those of what is left. In a ``compose``, ``h[:, 1:]`` and ``y[..., :4]`` are
    layers of this kind.

    Parameters
    ----------
    start, stop : int, optional
    step : int
        Not 0.
    axis : int
        Not the batch's; by default the second, which is the time axis of (batch, time, features).

    Raises
    ------
    ArgumentError
        If one of them is not a whole number, or step is 0.
    ShapeError
        When built, if there is no such axis, or nothing of it is left. When called, if rows differ in length where
        one bound counts from the end, and the one that ends the slice from the start.
    StreamError
        In a `Stream`, along the time axis.

    Examples
    --------
    >>> layer = Slice(-2)
    >>> layer.build((None, None, 1))
    (None, None, 1)
    >>> layer([[[1.0], [2.0], [3.0]], [[4.0], [0.0], [0.0]]], lengths=[3, 1]).tolist()
    [[[2.0], [3.0]], [[4.0], [0.0]]]
    """

    def __init__(self, start: int | None = None, stop: int | None = None, step: int = 1, axis: int = 1) -> None:
        self.start = None if start is None else extent("Slice", "start", start, least=None)
        self.stop = None if stop is None else extent("Slice", "stop", stop, least=None)
        self.step = extent("Slice", "step", step, least=None)
        self.axis = extent("Slice", "axis", axis, least=None)
        if self.step == 0:
            raise ArgumentError("Slice: expected step to be a whole number other than 0, got 0")

    def build(self, shape: Shape) -> Shape:
        """Return the shape with what is left of the axis; an open size stays open."""
        axis = axis_of(self, shape)
        size = shape[axis]
        left = None if size is None else self._left(size)
        if left == 0:
            raise ShapeError(f"{self.label}: [{self._text()}] leaves nothing of axis {axis} of {show(shape)}")
        return (*shape[:axis], left, *shape[axis + 1 :])

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return how many steps are left of each row; another axis leaves the lengths as they are."""
        if lengths is None or not any(is_time(self, len(shape), self.axis) for (shape,) in self.places):
            return lengths
        return slice_of_rows(self.start, self.stop, self.step, lengths).counts

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state; raise `StreamError` along the time axis, whose steps do not come in step any more."""
        if any(is_time(self, len(shape), self.axis) for (shape,) in self.places):
            raise StreamError(f"{self.label}: cannot stream: it takes [{self._text()}] of the time axis")
        return ()

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return what is left of x."""
        axis, counts = self.axis % x.ndim, None
        if lengths is not None and is_time(self, x.ndim, axis) and not (lengths == x.shape[1]).all():
            if not stays_within(self.start, self.stop, self.step):
                raise ShapeError(
                    f"{self.label}: cannot take [{self._text()}] of rows that differ in length: one bound counts from "
                    "the end, the other from the start"
                )
            picked = slice_of_rows(self.start, self.stop, self.step, lengths)
            if self.step < 0 or (self.start or 0) < 0:
                return pick_steps(self.backend, x, picked, self._left(x.shape[1])), (picked, x.shape[1])
            counts = picked.counts  # every row begins at the same step: what is behind its end is cut off
        index = self._index(x.shape, axis)
        return self.backend.zero_past(x[index], counts), (index, (x.shape, counts))

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx: dy where x was taken, 0 elsewhere."""
        place, taken = saved
        if isinstance(taken, int):
            return place_steps(self.backend, dy, place, taken)
        shape, counts = taken
        dx = self.backend.zeros(shape, dy.dtype)
        dx[place] = self.backend.zero_past(dy, counts)
        return dx

    def _left(self, size: int) -> int:
        return len(range(*slice(self.start, self.stop, self.step).indices(size)))

    def _index(self, shape: tuple[int, ...], axis: int) -> tuple[slice, ...]:
        start, stop, step = slice(self.start, self.stop, self.step).indices(shape[axis])
        within = slice(start, None if stop < 0 else stop, step) if self._left(shape[axis]) else slice(0, 0)
        return tuple(within if place == axis else slice(None) for place in range(len(shape)))

    def _text(self) -> str:
        ends = ":".join("" if bound is None else str(bound) for bound in (self.start, self.stop))
        return ends if self.step == 1 else f"{ends}:{self.step}"

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program: of features, or of steps without the first ones, or without the last ones."""
        program, rank = lowering.program, 2 if x.frame is None else 3
        if self.axis % rank == rank - 1:
            start, stop, step = slice(self.start, self.stop, self.step).indices(x.features)
            return lowering.take(x, start, len(range(start, stop, step)), step)
        start, stop = self.start or 0, self.stop or 0
        steps = 0 if x.frame is None else program.frames[x.frame].steps - start + stop
        plain = self.step == 1 and start >= 0 and (self.stop is None or stop < 0)
        if x.frame is None or not plain or steps < 1:
            raise lowering.refuse(self, f"takes [{self._text()}] of axis {self.axis}")
        y = program.value(x.features, program.derive(x.frame, steps, before=0, size=start - stop + 1, stride=1))
        lowering.call("take_steps", (x,), (y,), start=start)
        return y
