"""Long short-term memory."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import flag, whole
from lamina.core.initializers import InitializerLike, Side, find_initializer
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.kinds.weighted_recurrent import WeightedRecurrentLayer

__all__ = ["LSTM"]

# 1 for the forget gate: at the start, the cell remembers.
_BIAS = Side(["zeros", "ones", "zeros", "zeros"])


@register
class LSTM(WeightedRecurrentLayer):
    """Long short-term memory (Hochreiter & Schmidhuber, 1997; forget gate of Gers et al., 2000).

        i, f, o = sigmoid(x_t w_x + h_{t-1} w_h + b)    g = tanh(x_t w_x + h_{t-1} w_h + b)
        c_t = f c_{t-1} + i g                           h_t = o tanh(c_t)

    The gates lie side by side in the last axis of the parameters, in the order i, f, g, o (PyTorch's).

    Parameters
    ----------
    units : int
        The size of each state.
    return_sequences, return_state, go_backwards : bool
        See `RecurrentLayer`; with ``return_state`` the outputs are (y, h, c).
    use_bias : bool
    w_x_initializer, w_h_initializer, b_initializer : str, float or Initializer
        The bias starts at 1 for the forget gate and 0 elsewhere (Jozefowicz et al., 2015), as Keras's does.

    Attributes
    ----------
    w_x : Parameter (features, 4 units)
    w_h : Parameter (units, 4 units)
    b : Parameter (4 units,)
        Where ``use_bias``.

    Raises
    ------
    ArgumentError
        If units is not a positive whole number.

    Examples
    --------
    >>> import numpy as np
    >>> layer = LSTM(4, return_state=True)
    >>> layer.build((None, None, 2), seed=0)
    ((None, 4), (None, 4), (None, 4))
    >>> y, h, c = layer(np.ones((1, 3, 2)), lengths=[2])
    >>> bool((y == h).all())
    True
    """

    kernel_name = "lstm"
    gates = 4

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        use_bias: bool = True,
        w_x_initializer: InitializerLike = "glorot_uniform",
        w_h_initializer: InitializerLike = "orthogonal",
        b_initializer: InitializerLike = _BIAS,
    ) -> None:
        self.units = whole(self, "units", units)
        self.return_sequences = flag(self, "return_sequences", return_sequences)
        self.return_state = flag(self, "return_state", return_state)
        self.go_backwards = flag(self, "go_backwards", go_backwards)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.w_x_initializer = find_initializer(w_x_initializer)
        self.w_h_initializer = find_initializer(w_h_initializer)
        self.b_initializer = find_initializer(b_initializer)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The sizes of h and c."""
        return (self.units, self.units)

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
        kernel, options = self.chosen_kernel()
        outputs, last, content = kernel.forward(x, *self.weights, h, c, lengths, **options)
        return self.outputs(outputs, last), ((kernel, content), given)

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Run one step."""
        return self.backend.lstm_step(x, *self.weights, *states)
