"""What pooling layers share: in windows, or over each whole row."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.backends.generic.windows import Windows
from lamina.core.arguments import extent, flag
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value, lowers
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape, no_steps, show
from lamina.errors import ArgumentError, ShapeError
from lamina.kinds.window import Padding, WindowLayer, find_padding, sides

__all__ = ["GlobalPooling", "Pooling"]


class Pooling(WindowLayer):
    """The base class of layers that pool windows of the time axis; they name their kernel in ``kernel_name``.

    Only valid steps count: what stands before a row, or past its end, is no part of a window. One without a valid
    step, which a dilation makes possible, gives 0.

    Parameters
    ----------
    pool : int
        The number of steps in a window.
    stride : int, optional
        From one window to the next; ``pool`` if not given, so that windows lie side by side.
    padding : str, int or pair of int
        ``"valid"`` or ``"same"``, or how far windows may reach over the ends of a row; see `WindowLayer`.
    dilation : int
        From one step of a window to the next.
    ceil : bool
        Whether a last window that is cut by the end counts too; ``"same"`` has it anyway.

    Raises
    ------
    ArgumentError
        If pool, stride or dilation is not a positive whole number, or a window could lie beyond a row's ends.
    UnknownNameError
        If the padding is not one of the two.
    ShapeError
        If built for another rank, or for fewer steps than one window needs.
    """

    def __init__(
        self,
        pool: int,
        stride: int | None = None,
        padding: Padding = "valid",
        *,
        dilation: int = 1,
        ceil: bool = False,
    ) -> None:
        self.pool = extent(self, "pool", pool)
        self.stride = self.pool if stride is None else extent(self, "stride", stride)
        self.padding = find_padding(self, padding, self.paddings)
        self.dilation = extent(self, "dilation", dilation)
        self.ceil = flag(self, "ceil", ceil)
        reach = (self.pool - 1) * self.dilation + 1
        if max(sides(self.padding, reach)) >= reach:
            raise ArgumentError(
                f"{type(self).__name__}: expected padding to be less than the {reach} steps that a window reaches over,"
                f" got {padding!r}"
            )

    @property
    def size(self) -> int:
        """The number of steps in a window."""
        return self.pool

    def build(self, shape: Shape) -> Shape:
        """Return (batch, windows, features) for (batch, time, features)."""
        self.require_sequence(shape)
        return self.window_shape(shape, shape[2])

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return y (batch, windows, features) for x (batch, time, features) and lengths (batch,)."""
        kernel = self.kernel
        options, windows = self.kernel_options(), self.windows(x.shape[1])
        y, content = kernel.forward(x, lengths, self.output_lengths(lengths), windows, **options)
        return y, (kernel, content, 0, None)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx (batch, time, features)."""
        kernel, content, before, share = saved
        dx: Array = kernel.backward(dy if share is None else dy * share, content)
        return dx[:, before:, ...] if before else dx

    def begun(self, x: Array, starts: Lengths, windows: Windows) -> tuple[Array, Array | None]:
        """Return what a window's kernel takes, where each row begins at a step of its own.

        Parameters
        ----------
        x : (batch, time, features)
        starts : (batch,) integers on the host
            Each row's first step; before it x is 0.
        windows : Windows

        Returns
        -------
        x : (batch, time, features)
        share : what the kernel's output is multiplied by, as it broadcasts to (batch, windows, features), or None
        """
        raise NotImplementedError(f"{type(self).__name__} does not define begun")

    def stream_state(self, batch: int) -> Any:
        """Return the steps before a row, 0, (batch, steps, features), and how many have been, 0, (batch,).

        None for windows of one step; without features where they differ from place to place.
        """
        state = super().stream_state(batch)
        before = (self.pool - 1) * self.dilation
        if not before:
            return state
        bound, sizes = self.bound(), {shape[-1] or 0 for (shape,) in self.places}
        features = sizes.pop() if len(sizes) == 1 else 0
        return bound.backend.zeros((batch, before, features), bound.dtype_object), no_steps(batch)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Array, Any, Any]:
        """Return y of the next steps; the state is each row's last steps, which its next windows begin with."""
        (x,) = inputs
        batch, time, features = x.shape
        before = (self.pool - 1) * self.dilation
        if not before:
            return super().stream(x, lengths=lengths, training=training)
        backend, kernel = self.backend, self.kernel
        last, counts = (None, no_steps(batch)) if state is None else state
        if last is None or last.shape[2] != features:  # nothing yet
            last = backend.zeros((batch, before, features), x.dtype)
        joined = backend.concatenate([last, x], 1)
        windows = Windows(self.pool, time, 1, self.dilation)
        read, share = self.begun(joined, np.maximum(before - counts, 0), windows)
        y, content = kernel.forward(read, None if lengths is None else lengths + before, lengths, windows)
        y = y if share is None else y * share
        # A copy: a view would keep the piece.
        last = backend.copy(joined[:, time:, ...]) if lengths is None else backend.steps_from(joined, lengths, before)
        after = last, counts + (time if lengths is None else lengths)
        return y, after, SavedState(self, (kernel, content, before, share), y) if training else None


class GlobalPooling(Layer):
    """The base class of layers that pool each row's valid steps into one; they name their kernel.

    Raises
    ------
    ShapeError
        If built for another rank than (batch, time, features).
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
        """Return y (batch, features) for x (batch, time, features) and lengths (batch,); 0 for an empty row."""
        kernel = self.kernel
        y, content = kernel.forward(x, lengths)
        return y, (kernel, content, None)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx (batch, time, features), 0 past each row's end."""
        kernel, content, share = saved
        return kernel.backward(dy if share is None else dy * share, content)

    def join(self, before: Array, counts: Lengths, y: Array, lengths: Lengths) -> tuple[Array, Array]:
        """Return what the steps so far give, from what those before and the next ones give: see `PoolingKernels`."""
        raise NotImplementedError(f"{type(self).__name__} does not define join")

    def stream_state(self, batch: int) -> tuple[Array, Lengths]:
        """Return what the steps so far give, 0, (batch, features), and how many those of each row are, 0, (batch,).

        Without features where they differ from place to place.
        """
        bound, sizes = self.bound(), {shape[-1] or 0 for (shape,) in self.places}
        start = bound.backend.zeros((batch, sizes.pop() if len(sizes) == 1 else 0), bound.dtype_object)
        return start, no_steps(batch)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Array, tuple[Array, Lengths], Any]:
        """Return what the steps so far give."""
        (x,) = inputs
        kernel, share = self.kernel, None
        y, content = kernel.forward(x, lengths)
        counts = np.full(x.shape[0], x.shape[1]) if lengths is None else lengths
        total = counts
        if state is not None:
            before, steps = state
            y, share = self.join(before, steps, y, counts)
            total = steps + counts
        return y, (y, total), SavedState(self, (kernel, content, share), y) if training else None

    @lowers(despite=("kernel_name", "join"))
    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program."""
        y = lowering.program.value(x.features)
        lowering.call(self.kernel_name, (x,), (y,))
        return y
