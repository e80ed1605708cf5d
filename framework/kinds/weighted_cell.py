"""What cells over weights w_x, w_h and b share: those of SimpleRNN, LSTM and GRU."""

from __future__ import annotations

from functools import partial
from typing import Any

from lamina.backends import Array
from lamina.core.gradients import gradients_of
from lamina.core.shapes import Shape, Shapes, as_tuple, show
from lamina.errors import ShapeError
from lamina.kinds.cell import Cell
from lamina.kinds.gate_weights import GateWeights

__all__ = ["WeightedCell"]


class WeightedCell(GateWeights, Cell):
    """The base class of cells of which a recurrent layer has the kernel: a step is its sequence of one step."""

    def build(self, shape: Shape, *states: Shape) -> Shapes:
        """Create the parameters for (batch, features) and the states (batch, size); return the states' shapes."""
        if len(shape) != 2:
            raise ShapeError(f"{self.label}: expected (batch, features), got {show(shape)}")
        expected = tuple((None, size) for size in self.state_sizes)
        if states != expected:
            raise ShapeError(
                f"{self.label}: expected states {show(expected)}, got {show(states) if states else 'none'}"
            )
        self.create_weights(self.size_of(shape, -1))
        return expected if len(expected) > 1 else expected[0]

    def run(self, x: Array, *states: Array) -> tuple[Any, Any]:
        """Return the state, or states, after a step of x (batch, features), and what `backward` needs."""
        kernel, options = self.kernel, self.kernel_options()
        _, after, content = kernel.forward(x[:, None, :], *self.weights, *states, None, **options)
        return after, (kernel, content)

    def backward(self, dstates: Any, saved: Any) -> tuple[Array, ...]:
        """Return the gradients of x and of the states before; add the parameters'."""
        kernel, content = saved
        gradients = partial(gradients_of, self.weight_parameters())
        dx, *_, dbefore = kernel.backward(
            None, *as_tuple(dstates), content, self.w_x.data, self.w_h.data, gradients=gradients
        )
        return (dx[:, 0, :], *as_tuple(dbefore))
