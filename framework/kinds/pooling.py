"""What pooling layers share: in windows, or over each whole row."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.core.arguments import one_of, whole
from lamina.core.layer import Layer
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape, no_steps, show
from lamina.errors import ShapeError
from lamina.kinds.window import WindowLayer

__all__ = ["GlobalPooling", "Pooling"]


class Pooling(WindowLayer):
    """The base class of layers that pool windows of the time axis; they name their kernel in ``kernel_name``.

    Only valid steps count: what stands before a row, or past its end, is no part of a window.

    Parameters
    ----------
    pool : int
        The number of steps in a window.
    stride : int, optional
        From one window to the next; ``pool`` if not given, so that windows lie side by side.
    padding : str
        ``"valid"`` or ``"same"``; see `WindowLayer`.

    Raises
    ------
    ArgumentError
        If pool or stride is not a positive whole number.
    UnknownNameError
        If the padding is not one of the two.
    ShapeError
        If built for another rank, or for fewer steps than one window needs.
    """

    def __init__(self, pool: int, stride: int | None = None, padding: str = "valid") -> None:
        self.pool = whole(self, "pool", pool)
        self.stride = self.pool if stride is None else whole(self, "stride", stride)
        self.padding = one_of(self, "padding", padding, self.paddings)

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
        y, content = kernel.forward(x, lengths, self.output_lengths(lengths), self.windows(x.shape[1]))
        return y, (kernel, content)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx (batch, time, features)."""
        kernel, content = saved
        return kernel.backward(dy, content)


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
