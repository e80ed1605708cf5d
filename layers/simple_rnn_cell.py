"""One step of the simple recurrent layer."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag, one_of
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.registry import register
from lamina.kinds.weighted_cell import WeightedCell
from lamina.layers.simple_rnn import ACTIVATIONS

__all__ = ["SimpleRNNCell"]


@register
class SimpleRNNCell(WeightedCell):
    """h' = f(x w_x + h w_h + b): a step of `SimpleRNN` (Elman, 1990), with the same weights.

    To step through a sequence, and as a part of cells: `Recurrent` makes it a layer, `StackedCells` stacks it.

    Parameters
    ----------
    units : int
        The size of the state.
    activation : str
        ``"tanh"`` or ``"relu"``.
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
    >>> cell = SimpleRNNCell(1, activation="relu", w_x_initializer="ones", w_h_initializer=2.0)
    >>> cell.build((None, 1), (None, 1))
    (None, 1)
    >>> h = [[0.0]]
    >>> for x in (1.0, 3.0):
    ...     h = cell([[x]], h)
    >>> h
    array([[5.]], dtype=float32)
    """

    kernel_name = "simple_rnn"

    def __init__(
        self,
        units: int,
        *,
        activation: str = "tanh",
        use_bias: bool = True,
        w_x_initializer: InitializerLike = "glorot_uniform",
        w_h_initializer: InitializerLike = "orthogonal",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.units = extent(self, "units", units)
        self.activation = one_of(self, "activation", activation, ACTIVATIONS)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.w_x_initializer = find_initializer(w_x_initializer)
        self.w_h_initializer = find_initializer(w_h_initializer)
        self.b_initializer = find_initializer(b_initializer)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"activation": self.activation}

    def forward(self, x: Array, state: Array) -> tuple[Array, Any]:
        """Return the state (batch, units) after a step of x (batch, features)."""
        return self.run(x, state)
