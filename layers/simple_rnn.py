"""The simple recurrent layer."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.errors import ShapeError, unknown
from lamina.initializers import InitializerLike, find_initializer
from lamina.layer import Layer
from lamina.parameter import Parameter
from lamina.registry import register
from lamina.shapes import Lengths, Shape, Shapes, show

__all__ = ["SimpleRNN"]

_ACTIVATIONS = ("relu", "tanh")


@register
class SimpleRNN(Layer):
    """h_t = f(x_t w_x + h_{t-1} w_h + b), the simple recurrent network (Elman, 1990).

    Past a row's end the output is 0, the state stays as it is, and no gradient flows.

    Parameters
    ----------
    units : int
        The size of the state.
    activation : str
        ``"tanh"`` or ``"relu"``.
    return_sequences : bool
        Whether the output is every step's state, (batch, time, units), or the last one's, (batch, units).
    return_state : bool
        Whether the last state is a second output: (y, state).
    go_backwards : bool
        Whether each row is read from its last valid step to its first. The outputs stay with the steps they
        belong to; the last state is then the one after reading step 0.
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

    def build(self, shape: Shape, state: Shape | None = None) -> Shapes:
        """Create the parameters for (batch, time, features), and optionally a (batch, units) initial state."""
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected (batch, time, features), got {show(shape)}")
        if state is not None and state[1:] != (self.units,):
            raise ShapeError(f"{self.label}: expected an initial state (batch, {self.units}), got {show(state)}")
        features = self.size_of(shape, -1)
        self.w_x = Parameter((features, self.units), self.w_x_initializer)
        self.w_h = Parameter((self.units, self.units), self.w_h_initializer)
        self.b = Parameter((self.units,), self.b_initializer) if self.use_bias else None
        last: Shape = (None, self.units)
        y: Shape = (None, shape[1], self.units) if self.return_sequences else last
        return (y, last) if self.return_state else y

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"activation": self.activation}

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return the lengths where the output has a time axis, else None."""
        return lengths if self.return_sequences else None

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
        if state is not None and tuple(state.shape) != (x.shape[0], self.units):
            raise ShapeError(
                f"{self.label}: expected an initial state {(x.shape[0], self.units)}, got {tuple(state.shape)}"
            )
        kernel = self.kernel
        h, last, content = kernel.forward(
            x,
            self.w_x.data,
            self.w_h.data,
            None if self.b is None else self.b.data,
            state,
            lengths,
            activation=self.activation,
            reverse=self.go_backwards,
        )
        y = h if self.return_sequences else last
        return ((y, last) if self.return_state else y), (kernel, content, state is not None)

    def backward(self, dy: Any, saved: Any) -> Any:
        """Backpropagate through time.

        Parameters
        ----------
        dy : like y; a tuple (dy, dstate) with return_state

        Returns
        -------
        dx : (batch, time, features); (dx, dstate) where an initial state was given
        """
        kernel, content, has_state = saved
        dstate = None
        if self.return_state:
            dy, dstate = dy
        dh = dy
        if not self.return_sequences:
            dh, dstate = None, dy if dstate is None else dy + dstate
        dx, dw_x, dw_h, db, dfirst = kernel.backward(dh, dstate, content, self.w_x.data, self.w_h.data)
        self.w_x.grad += dw_x
        self.w_h.grad += dw_h
        if self.b is not None:
            self.b.grad += db
        return (dx, dfirst) if has_state else dx
