"""The simple recurrent layer."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag, number, one_of
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.kinds.weighted_recurrent import WeightedRecurrentLayer
from lamina.layers.dropout import Dropout

__all__ = ["SimpleRNN"]

ACTIVATIONS = ("relu", "tanh")


@register
class SimpleRNN(WeightedRecurrentLayer):
    """h_t = f(x_t w_x + h_{t-1} w_h + b), the simple recurrent network (Elman, 1990).

    Past a row's end the output is 0, the state stays as it is, and no gradient flows.

    Parameters
    ----------
    units : int
        The size of the state.
    activation : str
        ``"tanh"`` or ``"relu"``.
    return_sequences, return_state, go_backwards : bool
        See `RecurrentLayer`.
    use_bias : bool
    recurrent_dropout : float
        The share of the state that the gates do not see in training, from 0 to below 1: each row has one mask for all
        steps (Gal & Ghahramani, 2016), applied to h where it enters the products with w_h, for all gates the same, as
        Keras does; what a gate carries over from the state stays whole. A sequence read in pieces has a mask for each.
    w_x_initializer, w_h_initializer, b_initializer : str, float or Initializer

    Attributes
    ----------
    w_x : Parameter (features, units)
    w_h : Parameter (units, units)
    b : Parameter (units,)
        Where ``use_bias``.

    Raises
    ------
    ArgumentError
        If units is not a positive whole number, or the rate of dropout none from 0 to below 1.
    UnknownNameError
        If the activation is not one of the two.

    Examples
    --------
    >>> import numpy as np
    >>> layer = SimpleRNN(4, return_sequences=True)
    >>> layer.build((None, None, 2), seed=0)
    (None, None, 4)
    >>> y = layer(np.ones((1, 3, 2)), lengths=[2])
    >>> y.shape, bool(y[0, 2].any())
    ((1, 3, 4), False)
    """

    kernel_name, extended_kernel_name = "simple_rnn", "extended_simple_rnn"

    def __init__(
        self,
        units: int,
        *,
        activation: str = "tanh",
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        use_bias: bool = True,
        recurrent_dropout: float = 0.0,
        w_x_initializer: InitializerLike = "glorot_uniform",
        w_h_initializer: InitializerLike = "orthogonal",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.units = extent(self, "units", units)
        self.activation = one_of(self, "activation", activation, ACTIVATIONS)
        self.return_sequences = flag(self, "return_sequences", return_sequences)
        self.return_state = flag(self, "return_state", return_state)
        self.go_backwards = flag(self, "go_backwards", go_backwards)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.recurrent_dropout = number(self, "recurrent_dropout", recurrent_dropout, least=0, below=1)
        self.state_dropout = Dropout(self.recurrent_dropout) if self.recurrent_dropout else None
        self.w_x_initializer = find_initializer(w_x_initializer)
        self.w_h_initializer = find_initializer(w_h_initializer)
        self.b_initializer = find_initializer(b_initializer)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"activation": self.activation}

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Run one step."""
        return (self.backend.simple_rnn_step(x, *self.weights, *states, activation=self.activation),)

    def lower(self, lowering: Lowering, x: Value, *states: Value) -> Value | tuple[Value, ...]:
        """Add the kernel to a program."""
        return self.lowered(lowering, x, states)
