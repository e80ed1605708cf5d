"""Long short-term memory with layer normalization."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag, number
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.kinds.weighted_recurrent import WeightedRecurrentLayer
from lamina.layers.dropout import Dropout
from lamina.layers.lstm import OPEN_FORGET_GATE

__all__ = ["LayerNormLSTM"]


@register
class LayerNormLSTM(WeightedRecurrentLayer):
    """Long short-term memory with layer normalization (Ba et al., 2016).

        a = LN(x_t w_x) scale_x + LN(h_{t-1} w_h) scale_h + b
        i, f, o = sigmoid(a)    g = tanh(a)
        c_t = f c_{t-1} + i g   h_t = o tanh(LN(c_t) scale_c + shift_c)

    LN(a) = (a - mean) / sqrt(variance + epsilon), over all four gates' sums together, and over the cell's units. The
    paper's two shifts of the sums add up, to b. It is c_t itself that is carried on, not what is normalized. A class
    of its own, as it has other weights than `LSTM`, and another kernel.

    Parameters
    ----------
    units : int
        The size of each state.
    return_sequences, return_state, go_backwards : bool
        See `RecurrentLayer`; with ``return_state`` the outputs are (y, h, c).
    use_bias : bool
    recurrent_dropout : float
        See `LSTM`.
    epsilon : float
        Added to each variance.
    w_x_initializer, w_h_initializer, b_initializer : str, float or Initializer
        The bias starts at 1 for the forget gate and 0 elsewhere, as `LSTM`'s does.

    Attributes
    ----------
    w_x : Parameter (features, 4 units)
    w_h : Parameter (units, 4 units)
    b : Parameter (4 units,)
        Where ``use_bias``.
    scale_x, scale_h : Parameter (4 units,)
        Start at 1.
    scale_c, shift_c : Parameter (units,)
        Start at 1 and 0.

    Raises
    ------
    ArgumentError
        If units is not a positive whole number, epsilon not above 0, or the rate of dropout none from 0 to below 1.

    Examples
    --------
    Inputs a thousand times as large change nearly nothing:

    >>> import numpy as np
    >>> layer = LayerNormLSTM(4)
    >>> layer.build((None, None, 3), seed=0)
    (None, 4)
    >>> x = np.random.default_rng(0).normal(size=(1, 20, 3))
    >>> bool(abs(layer(1000 * x) - layer(x)).max() < 0.001)
    True
    """

    kernel_name = extended_kernel_name = "layer_norm_lstm"
    gates = 4

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
        b_initializer: InitializerLike = OPEN_FORGET_GATE,
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

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The sizes of h and c."""
        return (self.units, self.units)

    def create_weights(self, features: int) -> None:
        """Create the parameters."""
        super().create_weights(features)
        self.scale_x, self.scale_h = (Parameter((4 * self.units,), "ones") for _ in range(2))
        self.scale_c = Parameter((self.units,), "ones")
        self.shift_c = Parameter((self.units,), "zeros")

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"epsilon": self.epsilon}

    @property
    def weights(self) -> tuple[Array | None, ...]:
        """The values of the parameters, None where there is no bias: what the kernel takes after x."""
        scales = (self.scale_x, self.scale_h, self.scale_c, self.shift_c)
        return *super().weights, *(one.data for one in scales)

    def weight_parameters(self) -> tuple[Parameter | None, ...]:
        """Return the parameters whose gradients the kernel gives, in its order."""
        return *super().weight_parameters(), self.scale_x, self.scale_h, self.scale_c, self.shift_c

    def forward(  # type: ignore[override]  # it names its states
        self, x: Array, h: Array | None = None, c: Array | None = None, lengths: Lengths | None = None
    ) -> tuple[Any, Any]:
        """Run over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        h, c : (batch, units), optional
            The initial states; zeros if neither is given.
        lengths : (batch,) integers, optional

        Returns
        -------
        y : (batch, time, units) with return_sequences, else (batch, units); with return_state, (y, h, c)
        saved : for `backward`
        """
        given = self.check_states(x, (h, c))
        outputs, last, content = self.run(x, (h, c), lengths)
        return self.outputs(outputs, last), (content, given)

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Run one step."""
        return super().step(x, states)
