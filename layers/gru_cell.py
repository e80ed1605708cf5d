"""One step of the gated recurrent unit."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.registry import register
from lamina.kinds.gate_weights import CandidateBias
from lamina.kinds.weighted_cell import WeightedCell

__all__ = ["GRUCell"]


@register
class GRUCell(CandidateBias, WeightedCell):
    """A step of `GRU` (Cho et al., 2014), with the same weights.

        r, z = sigmoid(x w_x + h w_h + b)
        n = tanh(x w_x + b + r (h w_h + b_h))    with reset_after
        n = tanh(x w_x + b + (r h) w_h)          without
        h' = (1 - z) n + z h

    To step through a sequence, and as a part of cells: `Recurrent` makes it a layer, `StackedCells` stacks it.

    Parameters
    ----------
    units : int
        The size of the state.
    reset_after : bool
        See `GRU`.
    use_bias : bool
    w_x_initializer, w_h_initializer, b_initializer : str, float or Initializer

    Attributes
    ----------
    w_x : Parameter (features, 3 units)
    w_h : Parameter (units, 3 units)
    b : Parameter (3 units,)
        Where ``use_bias``.
    b_h : Parameter (units,)
        Where ``use_bias`` and ``reset_after``: the candidate's own, inside the reset gate.

    Raises
    ------
    ArgumentError
        If units is not a positive whole number.

    Examples
    --------
    Gates that are half open, as all weights are 0 but the candidate's: h' = tanh(x) / 2 + h / 2.

    >>> cell = GRUCell(1, w_x_initializer="zeros", w_h_initializer="zeros")
    >>> cell.build((None, 1), (None, 1), dtype="float64")
    (None, 1)
    >>> cell.w_x.data = [[0.0, 0.0, 1.0]]
    >>> cell([[1.0]], [[3.0]]).round(6)
    array([[1.880797]])
    """

    kernel_name = "gru"
    gates = 3

    def __init__(
        self,
        units: int,
        *,
        reset_after: bool = True,
        use_bias: bool = True,
        w_x_initializer: InitializerLike = "glorot_uniform",
        w_h_initializer: InitializerLike = "orthogonal",
        b_initializer: InitializerLike = "zeros",
    ) -> None:
        self.units = extent(self, "units", units)
        self.reset_after = flag(self, "reset_after", reset_after)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.w_x_initializer = find_initializer(w_x_initializer)
        self.w_h_initializer = find_initializer(w_h_initializer)
        self.b_initializer = find_initializer(b_initializer)

    def kernel_options(self) -> dict[str, Any]:
        """Return what decides which kernel runs."""
        return {"reset_after": self.reset_after}

    def forward(self, x: Array, state: Array) -> tuple[Array, Any]:
        """Return the state (batch, units) after a step of x (batch, features)."""
        return self.run(x, state)
