"""The independently recurrent layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag, one_of
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.lowering import Lowering, Value
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Shape
from lamina.kinds.weighted_recurrent import WeightedRecurrentLayer

__all__ = ["IndRNN"]

_ACTIVATIONS = ("relu", "tanh")


@register
class IndRNN(WeightedRecurrentLayer):
    """h_t = f(x_t w_x + w_h h_{t-1} + b), w_h and h multiplied element by element (Li et al., 2018).

    Each unit sees its own state alone, so that its gradient grows or fades by its own weight; the layer above mixes
    units. At the start every weight is 1, as the identity of Le et al. (2015): a unit adds up what enters it. The paper
    keeps weights below 2^(1/time), so that no gradient more than doubles on its way.

    Parameters
    ----------
    units : int
        The size of the state.
    activation : str
        ``"relu"``, the paper's, or ``"tanh"``.
    return_sequences, return_state, go_backwards : bool
        See `RecurrentLayer`.
    use_bias : bool
    w_x_initializer, w_h_initializer, b_initializer : str, float or Initializer

    Attributes
    ----------
    w_x : Parameter (features, units)
    w_h : Parameter (units,)
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
    >>> layer = IndRNN(1, w_x_initializer="ones", return_sequences=True)
    >>> layer.build((None, None, 1), seed=0)
    (None, None, 1)
    >>> layer([[[1.0], [2.0], [3.0]]], lengths=[2])[0, :, 0].tolist()
    [1.0, 3.0, 0.0]
    """

    kernel_name = "ind_rnn"

    def __init__(
        self,
        units: int,
        *,
        activation: str = "relu",
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        use_bias: bool = True,
        w_x_initializer: InitializerLike = "glorot_uniform",
        w_h_initializer: InitializerLike = "ones",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.units = extent(self, "units", units)
        self.activation = one_of(self, "activation", activation, _ACTIVATIONS)
        self.return_sequences = flag(self, "return_sequences", return_sequences)
        self.return_state = flag(self, "return_state", return_state)
        self.go_backwards = flag(self, "go_backwards", go_backwards)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.w_x_initializer = find_initializer(w_x_initializer)
        self.w_h_initializer = find_initializer(w_h_initializer)
        self.b_initializer = find_initializer(b_initializer)

    def create(self, features: int, states: Sequence[Shape]) -> None:
        """Create the parameters."""
        self.w_x = Parameter((features, self.units), self.w_x_initializer)
        self.w_h = Parameter((self.units,), self.w_h_initializer)
        self.b = Parameter((self.units,), self.b_initializer) if self.use_bias else None

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"activation": self.activation}

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Run one step."""
        return (self.backend.ind_rnn_step(x, *self.weights, *states, activation=self.activation),)

    def lower(self, lowering: Lowering, x: Value, *states: Value) -> Value | tuple[Value, ...]:
        """Add the kernel to a program."""
        return self.lowered(lowering, x, states)
