"""The gated recurrent unit."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag, number
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.kinds.gate_weights import CandidateBias
from lamina.kinds.weighted_recurrent import WeightedRecurrentLayer
from lamina.layers.dropout import Dropout

__all__ = ["GRU"]


@register
class GRU(CandidateBias, WeightedRecurrentLayer):
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
    recurrent_dropout : float
        The share of the state that the gates do not see in training, from 0 to below 1: each row has one mask for all
        steps (Gal & Ghahramani, 2016), applied to h where it enters the products with w_h, for all gates the same, as
        Keras does; what a gate carries over from the state stays whole. A sequence read in pieces has a mask for each.
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
        If units is not a positive whole number, or the rate of dropout none from 0 to below 1.

    Examples
    --------
    >>> import numpy as np
    >>> layer = GRU(4, return_sequences=True)
    >>> layer.build((None, None, 2), seed=0)
    (None, None, 4)
    >>> layer(np.ones((1, 3, 2)), lengths=[2])[0, 2].tolist()
    [0.0, 0.0, 0.0, 0.0]
    """

    kernel_name, extended_kernel_name = "gru", "extended_gru"
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
        recurrent_dropout: float = 0.0,
        w_x_initializer: InitializerLike = "glorot_uniform",
        w_h_initializer: InitializerLike = "orthogonal",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.units = extent(self, "units", units)
        self.reset_after = flag(self, "reset_after", reset_after)
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
        return {"reset_after": self.reset_after}

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Run one step."""
        return (self.backend.gru_step(x, *self.weights, *states, reset_after=self.reset_after),)

    def lower(self, lowering: Lowering, x: Value, *states: Value) -> Value | tuple[Value, ...]:
        """Add the kernel to a program."""
        return self.lowered(lowering, x, states)
