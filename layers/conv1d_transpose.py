"""Transposed convolution over the time axis: more steps from fewer."""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
from typing import Any

from lamina.backends import Array
from lamina.backends.generic.windows import Windows
from lamina.core.arguments import extent, flag
from lamina.core.gradients import gradients_of
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape, show
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.kinds.groups import divide_features, divide_units
from lamina.kinds.window import Padding, find_padding, sides

__all__ = ["Conv1DTranspose"]


@register
class Conv1DTranspose(Layer):
    """y_t = sum_(j stride - before + i dilation = t) x_j w_i + b: transposed convolution (Zeiler et al., 2010).

    The transpose of what `Conv1D` does to x: step j adds the window x_j w to y, which reaches over r =
    (kernel_size - 1) dilation + 1 steps and begins at step j stride - before. So a row of n steps gets about n
    stride. It gives what it gives alone, and 0 past its own end; a row without a step gives none.

    Parameters
    ----------
    units : int
        The size of the output's last axis.
    kernel_size : int
        The number of steps of the output that a step adds to.
    stride : int
        How many steps of the output lie from one window to the next.
    padding : str, int or pair of int
        ``"same"``: n stride steps, before = floor((r - 1) / 2). ``"causal"``: as many, before = 0, so that no output
        knows of later steps. ``"valid"``: all of the windows, (n - 1) stride + r steps, before = 0. A number p, or
        two, (p, q): those but for the first p and the last q, before = p, as PyTorch's ``padding``; one number
        stands for both. (Keras agrees but for ``"same"`` with a stride, where it shifts the windows, and for
        ``"valid"`` with a stride of more than r, where it adds steps at the end.)
    output_padding : int
        So many steps more at the end; less than the stride or the dilation. Not with ``"same"`` or ``"causal"``.
    dilation : int
        From one step of a window to the next.
    groups : int
        By which features and units can be divided: each piece of the units is made of a piece of the features.
    use_bias : bool
    w_initializer, b_initializer : str, float or Initializer

    Attributes
    ----------
    w : Parameter (kernel_size, features, units / groups)
    b : Parameter (units,)
        Where ``use_bias``.

    Raises
    ------
    ArgumentError
        If a size is not a positive whole number, the units cannot be divided by the groups, or the output padding
        is more than it may be.
    UnknownNameError
        If the padding is not one of the three.
    ShapeError
        If built for another rank, for features of open size or that the groups cannot share, or for so few steps
        that the padding leaves none.

    Examples
    --------
    >>> layer = Conv1DTranspose(1, 2, stride=2, w_initializer="ones")
    >>> layer.build((None, None, 1))
    (None, None, 1)
    >>> layer([[[1.0], [2.0], [4.0]]], lengths=[2])[0, :, 0].tolist()
    [1.0, 1.0, 2.0, 2.0, 0.0, 0.0]

    Causal and of stride 1, it streams, with the last ``(kernel_size - 1) dilation`` steps as its state:

    >>> import lamina
    >>> layer = Conv1DTranspose(1, 2, padding="causal", w_initializer="ones")
    >>> layer.build((None, None, 1))
    (None, None, 1)
    >>> stream = lamina.Stream(layer)
    >>> [float(stream([[step]])[0, 0]) for step in (1.0, 2.0, 4.0)]
    [1.0, 3.0, 6.0]
    """

    kernel_name = "conv1d_transpose"

    def __init__(
        self,
        units: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: Padding = "same",
        output_padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        use_bias: bool = True,
        w_initializer: InitializerLike = "glorot_uniform",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.units = extent(self, "units", units)
        self.kernel_size = extent(self, "kernel_size", kernel_size)
        self.stride = extent(self, "stride", stride)
        self.padding = find_padding(self, padding, ("causal", "same", "valid"))
        self.output_padding = extent(self, "output_padding", output_padding, 0)
        self.dilation = extent(self, "dilation", dilation)
        self.groups = extent(self, "groups", groups)
        divide_units(self, self.units, self.groups)
        most = 0 if self.padding in ("same", "causal") else max(self.stride, self.dilation) - 1
        if self.output_padding > most:
            with_what = f"padding={padding!r}, stride={self.stride} and dilation={self.dilation}"
            raise ArgumentError(
                f"Conv1DTranspose: expected output_padding to be {most} or less with {with_what}, got {output_padding}"
            )
        self.use_bias = flag(self, "use_bias", use_bias)
        self.w_initializer = find_initializer(w_initializer)
        self.b_initializer = find_initializer(b_initializer)

    def build(self, shape: Shape) -> Shape:
        """Create the parameters for (batch, time, features); return (batch, steps, units)."""
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected (batch, time, features), got {show(shape)}")
        features = self.size_of(shape, -1)
        divide_features(self, features, self.groups, shape)
        time = None if shape[1] is None else self._steps(shape[1])
        if time is not None and time < 1:
            # So many are cut off, and each step adds one or more.
            cut = sum(sides(self.padding, 1))
            least = 1 + bisect_left(range(1, cut + 2), 1, key=self._steps)
            raise ShapeError(f"{self.label}: expected at least {least} time steps, got {show(shape)}")
        own = divide_units(self, self.units, self.groups)
        self.w = Parameter((self.kernel_size, features, own), self.w_initializer)
        self.b = Parameter((self.units,), self.b_initializer) if self.use_bias else None
        return (None, time, self.units)

    def _reach(self) -> int:
        """Return how many steps of the output a step reaches over, or stands for."""
        return (self.kernel_size - 1) * self.dilation + self.stride + self.output_padding

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return how many steps of the output each row has."""
        return None if lengths is None else self._steps(lengths).clip(0)

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return y (batch, steps, units) for x (batch, time, features) and lengths (batch,)."""
        time = x.shape[1]
        windows = Windows(self.kernel_size, time, self.stride, self.dilation, self._before())
        return self._run(x, lengths, self.output_lengths(lengths), windows, max(self._steps(time), 0), 0)

    def backward(self, dy: Array, saved: Any, *, input_gradient: bool = True) -> Array | None:
        """Return dx (batch, time, features); add dw and db."""
        kernel, content, before = saved
        gradients = partial(gradients_of, (self.w, self.b))
        dx, *_ = kernel.backward(dy, content, self.w.data, input_gradient=input_gradient, gradients=gradients)
        return dx[:, before:, ...] if before and dx is not None else dx

    def stream_state(self, batch: int) -> Any:
        """Return zeros (batch, (kernel_size - 1) dilation, features), the steps before a row; none for one step.

        Raises
        ------
        StreamError
            If a step does not give one output, or its output needs later steps.
        """
        before, more = self._before(), self._steps(1) - 1
        padding = f"padding={self.padding!r}"
        if self.stride > 1:
            why = f"stride={self.stride}: it gives {self.stride} outputs for every step"
        elif more > 0:
            why = f"{padding}: a row has more outputs than steps, by {more}"
        elif more < 0:
            why = f"{padding}: a row has no output for {-more} of its steps"
        elif before:
            why = f"{padding}: an output needs {before} later step{'s' * (before > 1)}"
        else:
            size = (self.kernel_size - 1) * self.dilation
            features = self.size_of(self.input_shapes[0], -1)
            return self.backend.zeros((batch, size, features), self.bound().dtype_object) if size else ()
        raise StreamError(f"{self.label}: cannot stream with {why}")

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Array, Any, Any]:
        """Return y of the next steps; the state is each row's last steps, whose windows reach over the next ones."""
        (x,) = inputs
        batch, time, _ = x.shape
        before = self.stream_state(batch) if state is None else state
        if isinstance(before, tuple):
            return super().stream(x, lengths=lengths, training=training)
        backend, size = self.backend, before.shape[1]
        joined = backend.concatenate([before, x], 1)
        windows = Windows(self.kernel_size, size + time, 1, self.dilation, size)
        ends = None if lengths is None else lengths + size
        y, saved = self._run(joined, ends, lengths, windows, time, size)
        # A copy: a view would keep the piece.
        after = backend.copy(joined[:, time:, ...]) if lengths is None else backend.steps_from(joined, lengths, size)
        return y, after, SavedState(self, saved, y) if training else None

    def _run(
        self, x: Array, lengths: Any, output_lengths: Any, windows: Windows, time: int, before: int
    ) -> tuple[Array, Any]:
        kernel, b = self.kernel, None if self.b is None else self.b.data
        y, content = kernel.forward(x, self.w.data, b, lengths, output_lengths, windows, time, self.groups)
        return y, (kernel, content, before)

    def _before(self) -> int:
        """Return how many steps of the first window are cut off."""
        reach = (self.kernel_size - 1) * self.dilation + 1
        return 0 if self.padding == "causal" else sides(self.padding, reach)[0]

    def _steps(self, steps: Any) -> Any:
        """Return how many steps the output of so many has, an int or integers; negative where they are all cut off."""
        if self.padding in ("same", "causal"):
            return steps * self.stride
        cut = sum(sides(self.padding, 1))  # of "valid", nothing
        windows = (steps - 1) * self.stride + (self.kernel_size - 1) * self.dilation + 1
        return (windows - cut + self.output_padding) * (steps > 0)
