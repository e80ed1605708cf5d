"""Convolution over the time axis."""

from __future__ import annotations

from functools import partial
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag
from lamina.core.gradients import gradients_of
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.lowering import Lowering, Value
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape
from lamina.kinds.groups import divide_features, divide_units
from lamina.kinds.window import Padding, WindowLayer, find_padding

__all__ = ["Conv1D"]


@register
class Conv1D(WindowLayer):
    """y_j = sum_i x_(j stride - before + i dilation) w_i + b, convolution over the time axis (Waibel et al., 1989).

    Before a row and past its end x counts as 0; what stands there is not used. Each row gives what it gives
    alone, and 0 past its own number of windows.

    With ``groups`` the features are cut into so many pieces, and each piece makes a piece of the units (Krizhevsky et
    al., 2012); with as many groups as features, each unit is of one feature alone: a depthwise convolution (Sifre,
    2014; Chollet, 2017).

    Parameters
    ----------
    units : int
        The size of the output's last axis.
    kernel_size : int
        The number of steps in a window.
    stride : int
        From one window to the next.
    padding : str, int or pair of int
        ``"same"``: ceil(n / stride) windows of a row of n steps, the middle of window j at step j stride.
        ``"causal"``: as many, the end of window j at step j stride, so that no output knows of later steps.
        ``"valid"``: floor((n - r) / stride) + 1, those within the row, where r = (kernel_size - 1) dilation + 1.
        A number p, or two, (p, q): as if p zeros stood before the row and q past its end,
        floor((n + p + q - r) / stride) + 1. See `WindowLayer`.
    dilation : int
        From one step of a window to the next.
    groups : int
        By which features and units can be divided.
    use_bias : bool
    w_initializer, b_initializer : str, float or Initializer

    Attributes
    ----------
    w : Parameter (kernel_size, features / groups, units)
    b : Parameter (units,)
        Where ``use_bias``.

    Raises
    ------
    ArgumentError
        If a size is not a positive whole number, or the units cannot be divided by the groups.
    UnknownNameError
        If the padding is not one of the three.
    ShapeError
        If built for another rank, for features of open size or that the groups cannot share, or for fewer steps than
        one window needs.

    Examples
    --------
    >>> layer = Conv1D(1, 2, padding="causal", w_initializer="ones")
    >>> layer.build((None, None, 1))
    (None, None, 1)
    >>> layer([[[1.0], [2.0], [4.0]]])[0, :, 0].tolist()
    [1.0, 3.0, 6.0]

    Causal and of stride 1, it streams, with the last ``(kernel_size - 1) dilation`` steps as its state:

    >>> import lamina
    >>> stream = lamina.Stream(layer)
    >>> [float(stream([[step]])[0, 0]) for step in (1.0, 2.0, 4.0)]
    [1.0, 3.0, 6.0]

    A depthwise one has a weight for each feature and step of a window:

    >>> depthwise = Conv1D(2, 2, padding="valid", groups=2, w_initializer="ones")
    >>> depthwise.build((None, None, 2))
    (None, None, 2)
    >>> depthwise.w.shape, depthwise([[[1.0, 10.0], [2.0, 20.0]]]).tolist()
    ((2, 1, 2), [[[3.0, 30.0]]])
    """

    kernel_name = "conv1d"
    paddings = ("causal", "same", "valid")

    def __init__(
        self,
        units: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: Padding = "same",
        dilation: int = 1,
        groups: int = 1,
        use_bias: bool = True,
        w_initializer: InitializerLike = "glorot_uniform",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.units = extent(self, "units", units)
        self.kernel_size = extent(self, "kernel_size", kernel_size)
        self.stride = extent(self, "stride", stride)
        self.padding = find_padding(self, padding, self.paddings)
        self.dilation = extent(self, "dilation", dilation)
        self.groups = extent(self, "groups", groups)
        divide_units(self, self.units, self.groups)
        if self.groups > 1:
            self.kernel_name = "grouped_conv1d"  # type: ignore[misc]  # a kernel for each layer, not for the class
        self.use_bias = flag(self, "use_bias", use_bias)
        self.w_initializer = find_initializer(w_initializer)
        self.b_initializer = find_initializer(b_initializer)

    @property
    def size(self) -> int:
        """The number of steps in a window."""
        return self.kernel_size

    def build(self, shape: Shape) -> Shape:
        """Create the parameters for (batch, time, features); return (batch, windows, units)."""
        self.require_sequence(shape)
        output = self.window_shape(shape, self.units)
        features = divide_features(self, self.size_of(shape, -1), self.groups, shape)
        self.w = Parameter((self.kernel_size, features, self.units), self.w_initializer)
        self.b = Parameter((self.units,), self.b_initializer) if self.use_bias else None
        return output

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return y (batch, windows, units) for x (batch, time, features) and lengths (batch,)."""
        kernel = self.kernel
        b = None if self.b is None else self.b.data
        y, content = kernel.forward(x, self.w.data, b, lengths, self.output_lengths(lengths), self.windows(x.shape[1]))
        return y, (kernel, content, 0)

    def backward(self, dy: Array, saved: Any, *, input_gradient: bool = True) -> Array | None:
        """Return dx (batch, time, features); add dw and db."""
        kernel, content, before = saved
        gradients = partial(gradients_of, (self.w, self.b))
        dx, *_ = kernel.backward(dy, content, self.w.data, input_gradient=input_gradient, gradients=gradients)
        return dx[:, before:, ...] if before and dx is not None else dx

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program."""
        y = lowering.program.value(self.units, self.window_frame(lowering, x))
        if self.groups > 1:
            raise lowering.refuse(self, "has groups")
        windows = self.windows(lowering.program.frames[x.frame or 0].steps)
        options = {"size": windows.size, "stride": windows.stride, "dilation": windows.dilation}
        lowering.call("conv1d", (x,), (y,), {"w": self.w, "b": self.b}, before=windows.before, **options)
        return y

    def stream_state(self, batch: int) -> Any:
        """Return zeros (batch, (kernel_size - 1) dilation, features), the steps before a row; none for one step."""
        state = super().stream_state(batch)
        before = self.windows(1).before
        if not before:
            return state
        features = self.size_of(self.input_shapes[0], -1)
        return self.backend.zeros((batch, before, features), self.bound().dtype_object)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Array, Any, Any]:
        """Return y of the next steps; the state is each row's last steps, which its next windows begin with."""
        (x,) = inputs
        batch, time, _ = x.shape
        before = self.stream_state(batch) if state is None else state
        if isinstance(before, tuple):
            return super().stream(x, lengths=lengths, training=training)
        backend, kernel, size = self.backend, self.kernel, before.shape[1]
        joined = backend.concatenate([before, x], 1)
        b = None if self.b is None else self.b.data
        ends = None if lengths is None else lengths + size
        windows = self.windows(time)._replace(before=0)
        y, content = kernel.forward(joined, self.w.data, b, ends, lengths, windows)
        # A copy: a view would keep the piece.
        after = backend.copy(joined[:, time:, ...]) if lengths is None else backend.steps_from(joined, lengths, size)
        return y, after, SavedState(self, (kernel, content, size), y) if training else None
