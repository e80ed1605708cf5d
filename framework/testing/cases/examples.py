"""Layers written as a user writes them, for the registry of cases: a composite, and a cell of one's own."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.compose.composite import Composite
from lamina.compose.concat import Concat
from lamina.compose.residual import Residual
from lamina.compose.tape import Tape, Value
from lamina.core.parameter import Parameter
from lamina.core.shapes import Shape, Shapes
from lamina.kinds.cell import Cell
from lamina.layers import Dense, LastStep, SimpleRNN, Tanh

__all__ = ["Arithmetic", "LeakyPair", "Siblings"]


class Siblings(Composite):
    """A composite with all that one may have: shared weights, fan-out, two inputs, two outputs, a value unused."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.encoder = SimpleRNN(units, return_sequences=True, return_state=True)
        self.join, self.mix, self.add = Concat(), Dense(units), Residual(Tanh())
        self.last = LastStep()

    def compose(self, t: Tape, *inputs: Value) -> tuple[Value, Value]:
        """Encode both inputs with one encoder; use the first encoding three times."""
        a, b = inputs
        left, state = t(self.encoder, a)
        right, _ = t(self.encoder, b, state)
        joined = t(self.join, left, t(self.add, left), right)
        return t(self.mix, joined), t(self.last, left)


class Arithmetic(Composite):
    """A composite of operators, numbers and slices, of each row's own steps."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.gate, self.update = Dense(units), SimpleRNN(units, return_sequences=True)

    def compose(self, t: Tape, *inputs: Value) -> tuple[Value, Value, Value]:
        """Mix a sequence with its update, by a gate that also knows a vector; give parts of the result."""
        x, vector = inputs
        z = 0.5 * t(self.gate, x) - vector
        h = (1 - z) * t(self.update, x) + z * x / 2
        y = h[..., :1] / (1 + h**2) + 2 / (3 + x * x)
        return y[:, 1:], -h[:, -1], h[:, ::-1, 1:]


class LeakyPair(Cell):
    """A cell of two states: h' = tanh(x w + c), c' = leak c + h."""

    def __init__(self, units: int) -> None:
        self.units = units

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Of h and c."""
        return self.units, self.units

    def build(self, *shapes: Shape) -> Shapes:
        """Create w (features, units) and leak (units,)."""
        x, *states = shapes
        self.w = Parameter((self.size_of(x, -1), self.units), "glorot_uniform")
        self.leak = Parameter((self.units,), 0.5)
        return tuple(states)

    def forward(self, x: Array, h: Array, c: Array) -> tuple[Any, Any]:
        """Return both states after the step."""
        xp = self.backend.xp
        new = xp.tanh(xp.matmul(x, self.w.data) + c)
        return (new, self.leak.data * c + h), (x, c, new)

    def backward(self, dy: Any, saved: Any) -> tuple[Array, Array, Array]:
        """Return the gradients of x and of both states before the step."""
        xp = self.backend.xp
        x, c, new = saved
        dh, dc = dy
        da = dh * (1 - new * new)
        self.w.grad += xp.matmul(x.T, da)
        self.leak.grad += xp.sum(dc * c, axis=0)
        return xp.matmul(da, self.w.data.T), dc, da + self.leak.data * dc
