"""What layers over windows of the time axis share: padding, stride, and the lengths of their output."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, ClassVar, TypeAlias

import numpy as np

from lamina.backends.generic.windows import Windows
from lamina.core.arguments import MOST, extent, is_whole, name_of, one_of
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.shapes import Lengths, Shape, show
from lamina.errors import ArgumentError, ShapeError, StreamError, shown

__all__ = ["Padding", "WindowLayer", "find_padding", "sides"]

# A name, or how many steps stand before a row and past its end: one number for both, or two.
Padding: TypeAlias = str | int | tuple[int, int]


def find_padding(owner: Any, padding: Any, names: Iterable[str]) -> Padding:
    """Return a padding that must be one of some names, a whole number of 0 or more, or a pair of them.

    Raises
    ------
    UnknownNameError
        If it is a name, or something else, that is not offered.
    ArgumentError
        If a number is negative, or there are not two in a pair.
    """
    if is_whole(padding):
        return extent(owner, "padding", padding, 0)
    if not isinstance(padding, (tuple, list)):
        return one_of(owner, "padding", padding, names)
    if len(padding) != 2 or not all(_is_steps(steps) for steps in padding):
        known = ", ".join(map(repr, names))
        raise ArgumentError(
            f"{name_of(owner)}: expected padding to be one of {known}, a whole number of 0 or more or a pair of them,"
            f" got {shown(padding)}"
        )
    return int(padding[0]), int(padding[1])


def _is_steps(value: Any) -> bool:
    return is_whole(value) and bool(0 <= value <= MOST)


def sides(padding: Padding, reach: int) -> tuple[int, int]:
    """Return how many steps windows of that reach may stand over a row's begin and over its end."""
    if padding == "valid":
        return 0, 0
    if isinstance(padding, str):
        before = (reach - 1) // 2 if padding == "same" else reach - 1
        return before, reach - 1 - before
    return (padding, padding) if isinstance(padding, int) else padding


class WindowLayer(Layer):
    """The base class of layers that slide a window over the time axis.

    A window of ``size`` steps, ``dilation`` apart, reaches over r = (size - 1) dilation + 1 steps. Of a row of n
    steps:

    - ``"valid"``: window j begins at step j stride, and there are floor((n - r) / stride) + 1 of them, all
      within the row; none where n < r.
    - ``"same"``: window j begins at step j stride - floor((r - 1) / 2), so that its middle is step j stride,
      and there are ceil(n / stride) of them.
    - ``"causal"``: window j ends at step j stride, and there are ceil(n / stride) of them.
    - p, or (p, q): window j begins at step j stride - p, and there are floor((n + p + q - r) / stride) + 1 of them,
      as if p steps stood before the row and q past its end; none of an empty row. One number stands for both.

    With ``ceil`` the first and the last of these round up: a window that begins within the row, or before it, is
    taken though it reaches too far, and is cut.

    None of this depends on how far a row is padded, so a row gives in a batch what it gives alone. (Keras
    agrees but for ``"same"`` with a stride, where it shifts the windows by the row's length. PyTorch's
    ``padding=(r - 1) // 2`` is ``"same"`` for every odd r.)

    Attributes
    ----------
    stride, dilation : int
    padding : str, int or pair of int
    ceil : bool
    """

    #: The paddings by name that the layer offers.
    paddings: ClassVar[tuple[str, ...]] = ("same", "valid")

    stride: int
    padding: Padding
    dilation: int = 1
    ceil: bool = False

    @property
    def size(self) -> int:
        """The number of steps in a window."""
        raise NotImplementedError(f"{type(self).__name__} does not define size")

    def _reach(self) -> int:
        """Return over how many steps a window reaches, padding included."""
        reach = (self.size - 1) * self.dilation + 1
        return reach + sum(sides(self.padding, reach))

    def windows(self, time: int) -> Windows:
        """Return the windows over a time axis."""
        size, dilation, padding = self.size, self.dilation, self.padding
        before = 0 if padding == "valid" else sides(padding, (size - 1) * dilation + 1)[0]
        return Windows(size, int(self._count(time)), self.stride, dilation, before)

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return how many windows each row has."""
        return None if lengths is None else self._count(lengths)

    def stream_state(self, batch: int) -> Any:
        """Return no state, where a window is one step.

        Raises
        ------
        StreamError
            If a step does not give an output, or its output needs later steps: only stride 1 and windows that end
            at their step can be streamed. A layer that offers wider ones overrides this and `stream`.
        """
        reach = (self.size - 1) * self.dilation + 1
        before, later = sides(self.padding, reach)
        spare = before + later - (reach - 1)
        if self.stride > 1:
            why = f"stride={self.stride}: it gives one output for every {self.stride} steps"
        elif spare < 0:
            why = f"padding={self.padding!r}: a row has no output for {-spare} of its steps"
        elif spare > 0:
            why = f"padding={self.padding!r}: a row has more outputs than steps, by {spare}"
        elif later:
            why = f"padding={self.padding!r}: an output needs {later} later step{'s' * (later > 1)}"
        else:
            return ()
        raise StreamError(f"{self.label}: cannot stream with {why}")

    def window_shape(self, shape: Shape, features: int | None) -> Shape:
        """Return the output's shape for (batch, time, features), or raise `ShapeError`."""
        time = shape[1]
        if time is not None:
            count = self.windows(time).number
            if not count:
                # More steps give no fewer windows.
                least = 1 + bisect_left(range(1, self.windows(time).reach + 1), 1, key=self._count)
                raise ShapeError(f"{self.label}: expected at least {least} time steps, got {show(shape)}")
            time = count
        return (None, time, features)

    def window_frame(self, lowering: Lowering, x: Value) -> int:
        """Return the frame that the windows over a value's steps have in a program: its own where they are as many."""
        program, reach = lowering.program, (self.size - 1) * self.dilation + 1
        if x.frame is None or self.ceil:
            raise lowering.refuse(self, "rounds its windows up" if self.ceil else "has no steps")
        spare = 0 if self.padding in ("same", "causal") else sum(sides(self.padding, reach)) - (reach - 1)
        if self.stride == 1 and not spare:
            return x.frame
        steps = self.windows(program.frames[x.frame].steps).number
        if not steps:
            raise lowering.refuse(self, "has no window in so few steps")
        return program.derive(x.frame, steps, before=max(spare, 0), size=1 + max(-spare, 0), stride=self.stride)

    def require_sequence(self, shape: Shape) -> None:
        """Raise `ShapeError` unless a shape is (batch, time, features)."""
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected (batch, time, features), got {show(shape)}")

    def _count(self, steps: Any) -> Any:
        padding, stride = self.padding, self.stride
        if padding in ("same", "causal"):
            return -(-steps // stride)
        room = steps - (self.size - 1) * self.dilation - 1
        if not self.ceil and padding == "valid":
            return np.maximum(room // stride + 1, 0)
        before, after = sides(padding, 1)
        room = room + before + after
        count = np.maximum((room + stride - 1 if self.ceil else room) // stride + 1, 0)
        # One that would begin past the end is none.
        count = np.where(self.ceil & ((count - 1) * stride >= steps + before), count - 1, count)
        return np.where(steps > 0, count, 0)
