"""One step of long short-term memory."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.registry import register
from lamina.kinds.weighted_cell import WeightedCell
from lamina.layers.lstm import OPEN_FORGET_GATE

__all__ = ["LSTMCell"]


@register
class LSTMCell(WeightedCell):
    """A step of `LSTM` (Hochreiter & Schmidhuber, 1997), with the same weights.

        i, f, o = sigmoid(x w_x + h w_h + b)    g = tanh(x w_x + h w_h + b)
        c' = f c + i g                          h' = o tanh(c')

    To step through a sequence, and as a part of cells: `Recurrent` makes it a layer, `StackedCells` stacks it.

    Parameters
    ----------
    units : int
        The size of each state.
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
    Gates that are half open, as all weights are 0 but the candidate's: c' = c / 2 + tanh(x) / 2.

    >>> cell = LSTMCell(1, w_x_initializer="zeros", w_h_initializer="zeros", b_initializer="zeros")
    >>> cell.build((None, 1), (None, 1), (None, 1), dtype="float64")
    ((None, 1), (None, 1))
    >>> cell.w_x.data = [[0.0, 0.0, 1.0, 0.0]]
    >>> h, c = cell([[1.0]], [[0.0]], [[3.0]])
    >>> c.round(6)
    array([[1.880797]])
    """

    kernel_name = "lstm"
    gates = 4

    def __init__(
        self,
        units: int,
        *,
        use_bias: bool = True,
        w_x_initializer: InitializerLike = "glorot_uniform",
        w_h_initializer: InitializerLike = "orthogonal",
        b_initializer: InitializerLike = OPEN_FORGET_GATE,
    ) -> None:
        self.units = extent(self, "units", units)
        self.use_bias = flag(self, "use_bias", use_bias)
        self.w_x_initializer = find_initializer(w_x_initializer)
        self.w_h_initializer = find_initializer(w_h_initializer)
        self.b_initializer = find_initializer(b_initializer)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The sizes of h and c."""
        return (self.units, self.units)

    def forward(self, x: Array, h: Array, c: Array) -> tuple[tuple[Array, Array], Any]:
        """Return the states h and c, (batch, units) each, after a step of x (batch, features)."""
        return self.run(x, h, c)
