"""What recurrent layers over weights w_x, w_h and b share: SimpleRNN, LSTM and GRU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from lamina.backends import Array
from lamina.initializers import Initializer
from lamina.parameter import Parameter
from lamina.recurrent import RecurrentLayer
from lamina.shapes import Shape

__all__ = ["WeightedRecurrentLayer"]


class WeightedRecurrentLayer(RecurrentLayer):
    """The base class of recurrent layers whose gates are affine in x and h; the gates lie side by side.

    Attributes
    ----------
    gates : int
        How many there are.
    w_x : Parameter (features, gates units)
    w_h : Parameter (units, gates units)
    b : Parameter (gates units,) or None
    """

    gates: ClassVar[int] = 1

    units: int
    use_bias: bool
    w_x_initializer: Initializer
    w_h_initializer: Initializer
    b_initializer: Initializer

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The size of the one state."""
        return (self.units,)

    def create(self, features: int, states: Sequence[Shape]) -> None:
        """Create the parameters."""
        columns = self.gates * self.units
        self.w_x = Parameter((features, columns), self.w_x_initializer)
        self.w_h = Parameter((self.units, columns), self.w_h_initializer)
        self.b = Parameter((columns,), self.b_initializer) if self.use_bias else None

    @property
    def weights(self) -> tuple[Array, Array, Array | None]:
        """The values of w_x, w_h and b, None where there is no bias."""
        return self.w_x.data, self.w_h.data, None if self.b is None else self.b.data

    def add_gradients(self, dw_x: Array, dw_h: Array, db: Array) -> None:
        """Add to the parameters' gradients."""
        self.w_x.grad += dw_x
        self.w_h.grad += dw_h
        if self.b is not None:
            self.b.grad += db
