"""The gated recurrent unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.backends import Array
from lamina.initializers import InitializerLike, find_initializer
from lamina.parameter import Parameter
from lamina.registry import register
from lamina.shapes import Lengths, Shape
from lamina.weighted_recurrent import WeightedRecurrentLayer

__all__ = ["GRU"]


@register
class GRU(WeightedRecurrentLayer):
    """The gated recurrent unit (Cho et al., 2014).

        r, z = sigmoid(x_t w_x + h_{t-1} w_h + b)
        n = tanh(x_t w_x + b + r (h_{t-1} w_h + b_h))    with reset_after
        n = tanh(x_t w_x + b + (r h_{t-1}) w_h)          without
        h_t = (1 - z) n + z h_{t-1}

    The gates lie side by side in the last axis of the parameters, in the order r, z, n (PyTorch's; Keras and
    ONNX store z, r, n).

    Parameters
    ----------
    units : int
        The size of the state.
    reset_after : bool
        Whether the reset gate multiplies the product with w_h (the form of PyTorch and cuDNN, and Keras's
        default) or the state before it (the paper's form).
    return_sequences, return_state, go_backwards : bool
        See `RecurrentLayer`.
    use_bias : bool
    w_x_initializer, w_h_initializer, b_initializer : str, float or Initializer

    Attributes
    ----------
    w_x : Parameter (features, 3 units)
    w_h : Parameter (units, 3 units)
    b : Parameter (3 units,)
        Where ``use_bias``. PyTorch's and Keras's second bias for r and z adds to the first and is part of it.
    b_h : Parameter (units,)
        Where ``use_bias`` and ``reset_after``: the candidate's own, inside the reset gate.

    Raises
    ------
    ArgumentError
        If units is not a positive whole number.

    Examples
    --------
    >>> import numpy as np
    >>> layer = GRU(4, return_sequences=True)
    >>> layer.build((None, None, 2), seed=0)
    (None, None, 4)
    >>> layer(np.ones((1, 3, 2)), lengths=[2])[0, 2].tolist()
    [0.0, 0.0, 0.0, 0.0]
    """

    kernel_name = "gru"
    gates = 3

    def __init__(
        self,
        units: int,
        *,
        reset_after: bool = True,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        use_bias: bool = True,
        w_x_initializer: InitializerLike = "glorot_uniform",
        w_h_initializer: InitializerLike = "orthogonal",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.units = self.positive("units", units)
        self.reset_after = reset_after
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.use_bias = use_bias
        self.w_x_initializer = find_initializer(w_x_initializer)
        self.w_h_initializer = find_initializer(w_h_initializer)
        self.b_initializer = find_initializer(b_initializer)

    def create(self, features: int, states: Sequence[Shape]) -> None:
        """Create the parameters."""
        super().create(features, states)
        inside = self.use_bias and self.reset_after
        self.b_h = Parameter((self.units,), self.b_initializer) if inside else None

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"reset_after": self.reset_after}

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
            None if self.b_h is None else self.b_h.data,
            *states,
            lengths,
            reset_after=self.reset_after,
            reverse=self.go_backwards,
        )
        return h, (last,), (kernel, content)

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Run one step."""
        b_h = None if self.b_h is None else self.b_h.data
        return (self.backend.gru_step(x, *self.weights, b_h, *states, reset_after=self.reset_after),)

    def run_backward(
        self, dh: Array | None, dstates: tuple[Array | None, ...], saved: Any, *, input_gradient: bool = True
    ) -> tuple[Array | None, tuple[Array, ...]]:
        """Run the kernel's gradient and add the parameters'."""
        kernel, content = saved
        dx, dw_x, dw_h, db, db_h, dfirst = kernel.backward(
            dh, *dstates, content, self.w_x.data, self.w_h.data, input_gradient=input_gradient
        )
        self.add_gradients(dw_x, dw_h, db)
        if self.b_h is not None:
            self.b_h.grad += db_h
        return dx, (dfirst,)
