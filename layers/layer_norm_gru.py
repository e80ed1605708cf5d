"""The gated recurrent unit with layer normalization."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag, number
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.kinds.gate_weights import CandidateBias
from lamina.kinds.weighted_recurrent import WeightedRecurrentLayer
from lamina.layers.dropout import Dropout

__all__ = ["LayerNormGRU"]


@register
class LayerNormGRU(CandidateBias, WeightedRecurrentLayer):
    """The gated recurrent unit with layer normalization (Ba et al., 2016).

        r, z = sigmoid(LN(x_t w_x) scale_x + LN(h_{t-1} w_h) scale_h + b)
        n = tanh(LN(x_t w_x) scale_x + b + r (LN(h_{t-1} w_h) scale_h + b_h))
        h_t = (1 - z) n + z h_{t-1}

    LN(a) = (a - mean) / sqrt(variance + epsilon), over the sums of r and z together, and over those of n. The paper's
    shifts of the sums of x and h add up, to b, but for the one inside the reset gate, b_h. The reset gate multiplies
    the product with w_h, as it does in `GRU` with ``reset_after``. A class of its own, as it has other weights than
    `GRU`, and another kernel.

    Parameters
    ----------
    units : int
        The size of the state.
    return_sequences, return_state, go_backwards : bool
        See `RecurrentLayer`.
    use_bias : bool
    recurrent_dropout : float
        See `GRU`.
    epsilon : float
        Added to each variance.
    w_x_initializer, w_h_initializer, b_initializer : str, float or Initializer

    Attributes
    ----------
    w_x : Parameter (features, 3 units)
    w_h : Parameter (units, 3 units)
    b : Parameter (3 units,)
        Where ``use_bias``.
    b_h : Parameter (units,)
        Where ``use_bias``: the candidate's own, inside the reset gate.
    scale_x, scale_h : Parameter (3 units,)
        Start at 1.

    Raises
    ------
    ArgumentError
        If units is not a positive whole number, epsilon not above 0, or the rate of dropout none from 0 to below 1.

    Examples
    --------
    Inputs a thousand times as large change nearly nothing:

    >>> import numpy as np
    >>> layer = LayerNormGRU(4)
    >>> layer.build((None, None, 3), seed=0)
    (None, 4)
    >>> x = np.random.default_rng(0).normal(size=(1, 20, 3))
    >>> bool(abs(layer(1000 * x) - layer(x)).max() < 0.001)
    True
    """

    kernel_name = extended_kernel_name = "layer_norm_gru"
    gates = 3
    reset_after = True

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        use_bias: bool = True,
        recurrent_dropout: float = 0.0,
        epsilon: float = 1e-5,
        w_x_initializer: InitializerLike = "glorot_uniform",
        w_h_initializer: InitializerLike = "orthogonal",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.units = extent(self, "units", units)
        self.return_sequences = flag(self, "return_sequences", return_sequences)
        self.return_state = flag(self, "return_state", return_state)
        self.go_backwards = flag(self, "go_backwards", go_backwards)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.recurrent_dropout = number(self, "recurrent_dropout", recurrent_dropout, least=0, below=1)
        self.state_dropout = Dropout(self.recurrent_dropout) if self.recurrent_dropout else None
        self.epsilon = number(self, "epsilon", epsilon, above=0)
        self.w_x_initializer = find_initializer(w_x_initializer)
        self.w_h_initializer = find_initializer(w_h_initializer)
        self.b_initializer = find_initializer(b_initializer)

    def create_weights(self, features: int) -> None:
        """Create the parameters."""
        super().create_weights(features)
        self.scale_x, self.scale_h = (Parameter((3 * self.units,), "ones") for _ in range(2))

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"epsilon": self.epsilon}

    @property
    def weights(self) -> tuple[Array | None, ...]:
        """The values of the parameters, None in place of each bias that there is not: what the kernel takes after x."""
        return *super().weights, self.scale_x.data, self.scale_h.data

    def weight_parameters(self) -> tuple[Parameter | None, ...]:
        """Return the parameters whose gradients the kernel gives, in its order."""
        return self.w_x, self.w_h, self.b, self.b_h, self.scale_x, self.scale_h
