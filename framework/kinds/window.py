"""What layers over windows of the time axis share: padding, stride, and the lengths of their output."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lamina.backends.generic.windows import Windows
from lamina.core.layer import Layer
from lamina.core.shapes import Lengths, Shape, show
from lamina.errors import ShapeError, StreamError

__all__ = ["WindowLayer"]


class WindowLayer(Layer):
    """The base class of layers that slide a window over the time axis.

    A window of ``size`` steps, ``dilation`` apart, reaches over r = (size - 1) dilation + 1 steps. Of a row of n
    steps:

    - ``"valid"``: window j begins at step j stride, and there are floor((n - r) / stride) + 1 of them, all
      within the row; none where n < r.
    - ``"same"``: window j begins at step j stride - floor((r - 1) / 2), so that its middle is step j stride,
      and there are ceil(n / stride) of them.
    - ``"causal"``: window j ends at step j stride, and there are ceil(n / stride) of them.

    None of this depends on how far a row is padded, so a row gives in a batch what it gives alone. (Keras
    agrees but for ``"same"`` with a stride, where it shifts the windows by the row's length. PyTorch's
    ``padding=(r - 1) // 2`` is ``"same"`` for every odd r.)

    Attributes
    ----------
    stride, dilation : int
    padding : str
    """

    #: The paddings that the layer offers.
    paddings: ClassVar[tuple[str, ...]] = ("same", "valid")

    stride: int
    padding: str
    dilation: int = 1

    @property
    def size(self) -> int:
        """The number of steps in a window."""
        raise NotImplementedError(f"{type(self).__name__} does not define size")

    def windows(self, time: int) -> Windows:
        """Return the windows over a time axis."""
        reach = (self.size - 1) * self.dilation + 1
        before = {"valid": 0, "same": (reach - 1) // 2, "causal": reach - 1}[self.padding]
        return Windows(self.size, int(self._count(time)), self.stride, self.dilation, before)

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
        windows = self.windows(1)
        later = windows.reach - 1 - windows.before
        if self.stride > 1:
            why = f"stride={self.stride}: it gives one output for every {self.stride} steps"
        elif self.padding == "valid" and later:
            why = f"padding='valid': a row has no output for {later} of its steps"
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
                reach = self.windows(time).reach
                raise ShapeError(f"{self.label}: expected at least {reach} time steps, got {show(shape)}")
            time = count
        return (None, time, features)

    def require_sequence(self, shape: Shape) -> None:
        """Raise `ShapeError` unless a shape is (batch, time, features)."""
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected (batch, time, features), got {show(shape)}")

    def _count(self, steps: Any) -> Any:
        if self.padding == "valid":
            return np.maximum((steps - (self.size - 1) * self.dilation - 1) // self.stride + 1, 0)
        return -(-steps // self.stride)
