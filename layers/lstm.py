"""Long short-term memory."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag, number
from lamina.core.initializers import InitializerLike, Side, find_initializer
from lamina.core.lowering import Lowering, Value
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.kinds.weighted_recurrent import WeightedRecurrentLayer
from lamina.layers.dropout import Dropout

__all__ = ["LSTM"]

# 1 for the forget gate: at the start, the cell remembers.
OPEN_FORGET_GATE = Side(["zeros", "ones", "zeros", "zeros"])


@register
class LSTM(WeightedRecurrentLayer):
    """Long short-term memory (Hochreiter & Schmidhuber, 1997; forget gate of Gers et al., 2000).

        i, f, o = sigmoid(x_t w_x + h_{t-1} w_h + b)    g = tanh(x_t w_x + h_{t-1} w_h + b)
        c_t = f c_{t-1} + i g                           h_t = o tanh(c_t)

    The gates lie side by side in the last axis of the parameters, in the order i, f, g, o (PyTorch's). With a
    projection (LSTMP; Sak et al., 2014) h_t = (o tanh(c_t)) w_p, which PyTorch calls ``proj_size``.

    Parameters
    ----------
    units : int
        The size of each state.
    projection : int, optional
        The size of h, and so of the output, where that is not ``units``.
    return_sequences, return_state, go_backwards : bool
        See `RecurrentLayer`; with ``return_state`` the outputs are (y, h, c).
    use_bias : bool
    recurrent_dropout : float
        The share of the state that the gates do not see in training, from 0 to below 1: each row has one mask for all
        steps (Gal & Ghahramani, 2016), applied to h where it enters the products with w_h, for all gates the same, as
        Keras does; what a gate carries over from the state stays whole. A sequence read in pieces has a mask for each.
    w_x_initializer, w_h_initializer, w_p_initializer, b_initializer : str, float or Initializer
        The bias starts at 1 for the forget gate and 0 elsewhere (Jozefowicz et al., 2015), as Keras's does.

    Attributes
    ----------
    w_x : Parameter (features, 4 units)
    w_h : Parameter (units or projection, 4 units)
    b : Parameter (4 units,)
        Where ``use_bias``.
    w_p : Parameter (units, projection)
        Where there is one.

    Raises
    ------
    ArgumentError
        If units or the projection is not a positive whole number, or the rate of dropout none from 0 to below 1.

    Examples
    --------
    >>> import numpy as np
    >>> layer = LSTM(4, return_state=True)
    >>> layer.build((None, None, 2), seed=0)
    ((None, 4), (None, 4), (None, 4))
    >>> y, h, c = layer(np.ones((1, 3, 2)), lengths=[2])
    >>> bool((y == h).all())
    True

    A tenth of the weights of the state, where the gates see 16 numbers of 160:

    >>> layer = LSTM(160, projection=16, return_state=True)
    >>> layer.build((None, None, 2), seed=0)
    ((None, 16), (None, 16), (None, 160))
    >>> layer.w_h.size + layer.w_p.size, 4 * 160 * 160
    (12800, 102400)
    """

    kernel_name, extended_kernel_name = "lstm", "extended_lstm"
    gates = 4

    def __init__(
        self,
        units: int,
        *,
        projection: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        use_bias: bool = True,
        recurrent_dropout: float = 0.0,
        w_x_initializer: InitializerLike = "glorot_uniform",
        w_h_initializer: InitializerLike = "orthogonal",
        w_p_initializer: InitializerLike = "glorot_uniform",
        b_initializer: InitializerLike = OPEN_FORGET_GATE,
    ) -> None:
        self.units = extent(self, "units", units)
        self.projection = None if projection is None else extent(self, "projection", projection)
        self.return_sequences = flag(self, "return_sequences", return_sequences)
        self.return_state = flag(self, "return_state", return_state)
        self.go_backwards = flag(self, "go_backwards", go_backwards)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.recurrent_dropout = number(self, "recurrent_dropout", recurrent_dropout, least=0, below=1)
        self.state_dropout = Dropout(self.recurrent_dropout) if self.recurrent_dropout else None
        self.w_x_initializer = find_initializer(w_x_initializer)
        self.w_h_initializer = find_initializer(w_h_initializer)
        self.w_p_initializer = find_initializer(w_p_initializer)
        self.b_initializer = find_initializer(b_initializer)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The sizes of h and c."""
        return (self.projection or self.units, self.units)

    def create_weights(self, features: int) -> None:
        """Create the parameters."""
        super().create_weights(features)
        projects = self.projection is not None
        self.w_p = Parameter((self.units, self.state_sizes[0]), self.w_p_initializer) if projects else None

    def weight_parameters(self) -> tuple[Parameter | None, ...]:
        """Return the parameters whose gradients the kernel gives, in its order."""
        weights = super().weight_parameters()
        return weights if self.w_p is None else (*weights, self.w_p)

    def forward(  # type: ignore[override]  # it names its states
        self, x: Array, h: Array | None = None, c: Array | None = None, lengths: Lengths | None = None
    ) -> tuple[Any, Any]:
        """Run over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        h, c : (batch, units), optional
            The initial states; zeros if neither is given. With a projection h has its size, and so has y.
        lengths : (batch,) integers, optional

        Returns
        -------
        y : (batch, time, units) with return_sequences, else (batch, units); with return_state, (y, h, c)
        saved : for `backward`
        """
        given = self.check_states(x, (h, c))
        kernel, options = self.chosen_kernel(x)
        outputs, last, content = kernel.forward(x, *self.weights, h, c, lengths, **options)
        return self.outputs(outputs, last), ((kernel, content), given)

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Run one step."""
        if self.w_p is not None:
            return super().step(x, states)
        return self.backend.lstm_step(x, *self.weights, *states)

    def lower(self, lowering: Lowering, x: Value, *states: Value) -> Value | tuple[Value, ...]:
        """Add the kernel to a program."""
        return self.lowered(lowering, x, states)
