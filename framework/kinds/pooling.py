"""What pooling layers share: in windows, or over each whole row."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import one_of, whole
from lamina.core.layer import Layer
from lamina.core.shapes import Lengths, Shape, show
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
        return y, (kernel, content)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx (batch, time, features), 0 past each row's end."""
        kernel, content = saved
        return kernel.backward(dy, content)
