"""What recurrent layers share whose gates depend on the input alone: MinGRU and MinLSTM."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from lamina.backends import Array
from lamina.core.gradients import gradients_of
from lamina.core.parameter import Parameter
from lamina.core.shapes import Shape, as_tuple
from lamina.kinds.weighted_recurrent import WeightedRecurrentLayer

__all__ = ["InputGatedLayer"]


class InputGatedLayer(WeightedRecurrentLayer):
    """The base class of recurrent layers over weights w_x and b: no gate sees the state, and there is no w_h.

    So all that is multiplied is known before the time loop, and a step is a product and a sum, element by element.

    Attributes
    ----------
    w_x : Parameter (features, gates units)
    b : Parameter (gates units,) or None
    """

    def create(self, features: int, states: Sequence[Shape]) -> None:
        """Create the parameters."""
        columns = self.gates * self.units
        self.w_x = Parameter((features, columns), self.w_x_initializer)
        self.b = Parameter((columns,), self.b_initializer) if self.use_bias else None

    @property
    def weights(self) -> tuple[Array | None, ...]:
        """The values of w_x and b, None where there is no bias: what the kernel takes after x."""
        return self.w_x.data, None if self.b is None else self.b.data

    def run_backward(
        self, dh: Array | None, dstates: tuple[Array | None, ...], saved: Any, *, input_gradient: bool = True
    ) -> tuple[Array | None, tuple[Array, ...]]:
        """Run the kernel's gradient and add the parameters'."""
        kernel, content = saved
        gradients = partial(gradients_of, (self.w_x, self.b))
        dx, *_, dinitial = kernel.backward(
            dh, *dstates, content, self.w_x.data, input_gradient=input_gradient, gradients=gradients
        )
        return dx, as_tuple(dinitial)
