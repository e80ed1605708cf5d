"""The weights of recurrences whose gates are affine in x and h: of SimpleRNN, LSTM and GRU, and of their cells."""

from __future__ import annotations

from typing import ClassVar

from lamina.backends import Array
from lamina.core.initializers import Initializer
from lamina.core.parameter import Parameter

__all__ = ["CandidateBias", "GateWeights"]


class GateWeights:
    """Weights w_x, w_h and b of gates that lie side by side.

    Attributes
    ----------
    gates : int
        How many there are.
    w_x : Parameter (features, gates units)
    w_h : Parameter (size of the first state, gates units)
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

    def create_weights(self, features: int) -> None:
        """Create the parameters."""
        columns = self.gates * self.units
        self.w_x = Parameter((features, columns), self.w_x_initializer)
        self.w_h = Parameter((self.state_sizes[0], columns), self.w_h_initializer)
        self.b = Parameter((columns,), self.b_initializer) if self.use_bias else None

    @property
    def weights(self) -> tuple[Array | None, ...]:
        """The values of w_x, w_h and b, None where there is no bias: what the kernel takes after x."""
        return self.w_x.data, self.w_h.data, None if self.b is None else self.b.data

    def weight_parameters(self) -> tuple[Parameter | None, ...]:
        """Return the parameters whose gradients the kernel gives, in its order."""
        return self.w_x, self.w_h, self.b


class CandidateBias(GateWeights):
    """Weights of a GRU: those of its gates, and b_h, where the reset gate multiplies the product with w_h.

    Attributes
    ----------
    reset_after : bool
    b_h : Parameter (units,) or None
    """

    reset_after: bool

    def create_weights(self, features: int) -> None:
        """Create the parameters."""
        super().create_weights(features)
        inside = self.use_bias and self.reset_after
        self.b_h = Parameter((self.units,), self.b_initializer) if inside else None

    @property
    def weights(self) -> tuple[Array | None, ...]:
        """The values of w_x, w_h, b and b_h, None in place of each bias that there is not."""
        return *super().weights, None if self.b_h is None else self.b_h.data

    def weight_parameters(self) -> tuple[Parameter | None, ...]:
        """Return the parameters whose gradients the kernel gives, in its order."""
        weights = super().weight_parameters()
        return weights if self.b_h is None else (*weights, self.b_h)  # without it there may be nothing further
