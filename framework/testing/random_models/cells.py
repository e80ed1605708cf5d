"""Cells as users write them: with layers in them, on the input and on the state."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.registry import register
from lamina.core.shapes import Shape, Shapes
from lamina.kinds.cell import Cell
from lamina.layers import Tanh

__all__ = ["Averaging", "Mixing", "Remembering"]


@register
class Averaging(Cell):
    """A cell with a layer in it: h' = (h + inner(x)) / 2."""

    def __init__(self, inner: Layer, units: int) -> None:
        self.inner = inner
        self.units = units

    def build(self, *shapes: Shape) -> Shapes:
        """Build the layer within."""
        self.inner.build(shapes[0])
        return shapes[1]

    def forward(self, x: Array, h: Array) -> tuple[Any, Any]:
        """Return the state after the step."""
        y, saved = self.inner.forward(x)
        return (h + y) / 2, saved

    def backward(self, dy: Any, saved: Any) -> tuple[Array, Array]:
        """Return the gradients of x and of the state before."""
        return self.inner.backward(dy / 2, saved), dy / 2


@register
class Mixing(Cell):
    """A cell with a layer on its state: h' = tanh(first(x) + second(h))."""

    def __init__(self, first: Layer, second: Layer, units: int) -> None:
        self.first, self.second, self.units = first, second, units
        self.activation = Tanh()

    def build(self, *shapes: Shape) -> Shapes:
        """Build the layers within."""
        x, h = shapes
        self.first.build(x)
        self.second.build(h)
        self.activation.build(h)
        return h

    def forward(self, x: Array, h: Array) -> tuple[Any, Any]:
        """Return the state after the step."""
        a, first = self.first.forward(x)
        b, second = self.second.forward(h)
        y, last = self.activation.forward(a + b)
        return y, {"layers": (first, second), "last": last}

    def backward(self, dy: Any, saved: Any) -> tuple[Array, Array]:
        """Return the gradients of x and of the state before."""
        both = self.activation.backward(dy, saved["last"])
        first, second = saved["layers"]
        return self.first.backward(both, first), self.second.backward(both, second)


@register
class Remembering(Cell):
    """A cell of two states: c' = (c + inner(x)) / 2, h' = tanh(c') + h / 2."""

    def __init__(self, inner: Layer, units: int) -> None:
        self.inner, self.units = inner, units
        self.activation = Tanh()

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Of h and c."""
        return self.units, self.units

    def build(self, *shapes: Shape) -> Shapes:
        """Build the layers within."""
        x, h, c = shapes
        self.inner.build(x)
        self.activation.build(c)
        return h, c

    def forward(self, x: Array, h: Array, c: Array) -> tuple[Any, Any]:
        """Return both states after the step."""
        y, inner = self.inner.forward(x)
        after = (c + y) / 2
        z, last = self.activation.forward(after)
        return (z + h / 2, after), (inner, last)

    def backward(self, dy: Any, saved: Any) -> tuple[Array, Array, Array]:
        """Return the gradients of x and of both states before."""
        dh, dc = dy
        inner, last = saved
        total = (dc + self.activation.backward(dh, last)) / 2
        return self.inner.backward(total, inner), dh / 2, total
