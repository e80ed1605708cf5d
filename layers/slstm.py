"""The LSTM with exponential gates."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag, one_of
from lamina.core.initializers import InitializerLike, Side, find_initializer
from lamina.core.lowering import Lowering, Value
from lamina.core.registry import register
from lamina.core.shapes import Lengths
from lamina.kinds.weighted_recurrent import WeightedRecurrentLayer

__all__ = ["SLSTM"]

_FORGET = ("sigmoid", "exp")
# 1 for the forget gate: at the start, the cell remembers.
_BIAS = Side(["zeros", "ones", "zeros", "zeros"])


@register
class SLSTM(WeightedRecurrentLayer):
    """The sLSTM of the xLSTM, with one head (Beck et al., 2024, section 2.2).

        i = exp(a)    f = sigmoid(a) or exp(a)    z = tanh(a)    o = sigmoid(a)    each a = x_t w_x + h_{t-1} w_h + b
        c_t = f c_{t-1} + i z    n_t = f n_{t-1} + i    h_t = o c_t / n_t

    An input may outweigh all that went before it, as i has no bound; n keeps the cell an average. So that nothing
    overflows, c and n are kept divided by exp(m_t), m_t = max(log f + m_{t-1}, log i), which leaves h as it is. From
    n = 0 on, where there is nothing to forget, m_t = log i. The gates lie side by side in the last axis of the
    parameters, in the order i, f, z, o.

    Parameters
    ----------
    units : int
        The size of each state.
    forget : str
        ``"sigmoid"`` or ``"exp"``: the forget gate; the paper has both.
    return_sequences, return_state, go_backwards : bool
        See `RecurrentLayer`; with ``return_state`` the outputs are (y, h, c, n, m).
    use_bias : bool
    w_x_initializer, w_h_initializer, b_initializer : str, float or Initializer
        The bias starts at 1 for the forget gate and 0 elsewhere.

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
    UnknownNameError
        If ``forget`` is not one of the two.

    Examples
    --------
    With no weight but one on z, each step counts alike, and o = 1/2:

    >>> layer = SLSTM(1, forget="exp", return_sequences=True, w_h_initializer="zeros", b_initializer="zeros")
    >>> layer.build((None, None, 1), seed=0)
    (None, None, 1)
    >>> layer.w_x.data = [[0.0, 0.0, 1.0, 0.0]]
    >>> y = layer([[[1.0], [0.0], [1.0]]], lengths=[2])[0, :, 0]
    >>> [round(float(value), 4) for value in y]  # tanh(1) / 2, then half of it
    [0.3808, 0.1904, 0.0]
    """

    kernel_name = "slstm"
    gates = 4

    def __init__(
        self,
        units: int,
        *,
        forget: str = "sigmoid",
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        use_bias: bool = True,
        w_x_initializer: InitializerLike = "glorot_uniform",
        w_h_initializer: InitializerLike = "orthogonal",
        b_initializer: InitializerLike = _BIAS,
    ) -> None:
        self.units = extent(self, "units", units)
        self.forget = one_of(self, "forget", forget, _FORGET)
        self.return_sequences = flag(self, "return_sequences", return_sequences)
        self.return_state = flag(self, "return_state", return_state)
        self.go_backwards = flag(self, "go_backwards", go_backwards)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.w_x_initializer = find_initializer(w_x_initializer)
        self.w_h_initializer = find_initializer(w_h_initializer)
        self.b_initializer = find_initializer(b_initializer)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The sizes of h, c, n and m."""
        return (self.units,) * 4

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"forget": self.forget}

    def forward(  # type: ignore[override]  # it names its states
        self,
        x: Array,
        h: Array | None = None,
        c: Array | None = None,
        n: Array | None = None,
        m: Array | None = None,
        lengths: Lengths | None = None,
    ) -> tuple[Any, Any]:
        """Run over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        h, c, n, m : (batch, units), optional
            The initial states; zeros if none is given. No n is negative, and where it is 0 so is c.
        lengths : (batch,) integers, optional

        Returns
        -------
        y : (batch, time, units) with return_sequences, else (batch, units); with return_state, (y, h, c, n, m)
        saved : for `backward`
        """
        given = self.check_states(x, (h, c, n, m))
        kernel, options = self.chosen_kernel(x)
        outputs, last, content = kernel.forward(x, *self.weights, h, c, n, m, lengths, **options)
        return self.outputs(outputs, last), ((kernel, content), given)

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Run one step."""
        return self.backend.slstm_step(x, *self.weights, *states, forget=self.forget)

    def lower(self, lowering: Lowering, x: Value, *states: Value) -> Value | tuple[Value, ...]:
        """Add the kernel to a program."""
        return self.lowered(lowering, x, states)
