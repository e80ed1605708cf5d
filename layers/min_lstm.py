"""The minimal long short-term memory."""

from __future__ import annotations

from lamina.backends import Array
from lamina.core.arguments import extent, flag
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.kinds.input_gated import InputGatedLayer

__all__ = ["MinLSTM"]


@register
class MinLSTM(InputGatedLayer):
    """The minimal LSTM (Feng et al., 2024, "Were RNNs All We Needed?", section 3.2).

        i, f = sigmoid(x_t w_x + b)    c = x_t w_x + b
        h_t = (f h_{t-1} + i c) / (f + i)

    An LSTM without its output gate, its tanh, its cell beside the output and every look at the state before; the two
    gates are scaled to a sum of 1. The gates lie side by side in the last axis of the parameters, in the order i, f, c.

    Parameters
    ----------
    units : int
        The size of the state.
    return_sequences, return_state, go_backwards : bool
        See `RecurrentLayer`.
    use_bias : bool
    w_x_initializer, b_initializer : str, float or Initializer

    Attributes
    ----------
    w_x : Parameter (features, 3 units)
    b : Parameter (3 units,)
        Where ``use_bias``.

    Raises
    ------
    ArgumentError
        If units is not a positive whole number.

    Examples
    --------
    With i = f everywhere and c = x, each step halves the way to x:

    >>> import numpy as np
    >>> layer = MinLSTM(1, return_sequences=True)
    >>> layer.build((None, None, 1), seed=0)
    (None, None, 1)
    >>> layer.w_x.data = np.array([[0.0, 0.0, 1.0]])
    >>> layer([[[1.0], [1.0], [1.0]]], lengths=[2])[0, :, 0].tolist()
    [0.5, 0.75, 0.0]
    """

    kernel_name = "min_lstm"
    gates = 3

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        use_bias: bool = True,
        w_x_initializer: InitializerLike = "glorot_uniform",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.units = extent(self, "units", units)
        self.return_sequences = flag(self, "return_sequences", return_sequences)
        self.return_state = flag(self, "return_state", return_state)
        self.go_backwards = flag(self, "go_backwards", go_backwards)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.w_x_initializer = find_initializer(w_x_initializer)
        self.b_initializer = find_initializer(b_initializer)

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Run one step."""
        return (self.backend.min_lstm_step(x, *self.weights, *states),)

    def lower(self, lowering: Lowering, x: Value, *states: Value) -> Value | tuple[Value, ...]:
        """Add the kernel to a program."""
        return self.lowered(lowering, x, states)
