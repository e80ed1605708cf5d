"""The simple recurrent layer."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.errors import unknown
from lamina.initializers import InitializerLike, find_initializer
from lamina.registry import register
from lamina.shapes import Lengths
from lamina.weighted_recurrent import WeightedRecurrentLayer

__all__ = ["SimpleRNN"]

_ACTIVATIONS = ("relu", "tanh")


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
        If units is not a positive whole number.
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

    kernel_name = "simple_rnn"

    def __init__(
        self,
        units: int,
        *,
        activation: str = "tanh",
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        use_bias: bool = True,
        w_x_initializer: InitializerLike = "glorot_uniform",
        w_h_initializer: InitializerLike = "orthogonal",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.units = self.positive("units", units)
        if activation not in _ACTIVATIONS:
            raise unknown("activation of SimpleRNN", activation, _ACTIVATIONS)
        self.activation = activation
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.use_bias = use_bias
        self.w_x_initializer = find_initializer(w_x_initializer)
        self.w_h_initializer = find_initializer(w_h_initializer)
        self.b_initializer = find_initializer(b_initializer)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"activation": self.activation}

    def forward(self, x: Array, state: Array | None = None, lengths: Lengths | None = None) -> tuple[Any, Any]:
        """Run over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        state : (batch, units), optional
            The initial state; zeros if not given.
        lengths : (batch,) integers, optional

        Returns
        -------
        y : (batch, time, units) with return_sequences, else (batch, units); with return_state, (y, state)
        saved : for `backward`
        """
        return self.forward_from(x, (state,), lengths)

    def run(
        self, x: Array, states: tuple[Array | None, ...], lengths: Lengths | None
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run the kernel."""
        kernel = self.kernel
        h, last, content = kernel.forward(
            x,
            *self.weights,
            *states,
            lengths,
            activation=self.activation,
            reverse=self.go_backwards,
        )
        return h, (last,), (kernel, content)

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Run one step."""
        return (self.backend.simple_rnn_step(x, *self.weights, *states, activation=self.activation),)

    def run_backward(
        self, dh: Array | None, dstates: tuple[Array | None, ...], saved: Any, *, input_gradient: bool = True
    ) -> tuple[Array | None, tuple[Array, ...]]:
        """Run the kernel's gradient and add the parameters'."""
        kernel, content = saved
        dx, dw_x, dw_h, db, dfirst = kernel.backward(
            dh, *dstates, content, self.w_x.data, self.w_h.data, input_gradient=input_gradient
        )
        self.add_gradients(dw_x, dw_h, db)
        return dx, (dfirst,)
