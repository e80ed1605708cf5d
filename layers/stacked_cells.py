"""Cells one above the other, as one cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer, require_layers
from lamina.core.registry import register
from lamina.core.shapes import Shape, Shapes, as_tuple
from lamina.errors import ArgumentError, ShapeError
from lamina.kinds.cell import Cell, build_cell, own_output

__all__ = ["StackedCells"]


@register
class StackedCells(Cell):
    """Cells one above the other, with layers such as `Dropout` or `LayerNorm` between them, as one cell.

    Each takes what the one below it puts out; the last one's output, of a cell or a layer, is that of the stack. The
    states are those of all cells, from the lowest up. In training a `Dropout` draws a mask for every step.

    Parameters
    ----------
    *cells : Cell or Layer
        Or one list of them. The same may stand in several places: it shares its weights there, and has states for each.

    Raises
    ------
    ArgumentError
        If none is a cell, or one is not a layer.
    ShapeError
        If a layer has several outputs.

    Examples
    --------
    A network of two recurrent layers and an output, step by step:

    >>> import lamina
    >>> from lamina.layers import Dense, Dropout, GRUCell, LSTMCell
    >>> cell = StackedCells(LSTMCell(4), Dropout(0.2), GRUCell(3), Dense(2))
    >>> cell.state_sizes
    (4, 4, 3)
    >>> layer = lamina.Recurrent(cell, return_sequences=True)
    >>> layer.build((None, None, 5), seed=0)
    (None, None, 2)
    >>> [parameter.name for parameter in layer.parameters()][:4]
    ['cell.0.w_x', 'cell.0.w_h', 'cell.0.b', 'cell.2.w_x']
    """

    def __init__(self, *cells: Any) -> None:
        if len(cells) == 1 and isinstance(cells[0], (list, tuple)):
            cells = tuple(cells[0])
        self.cells = require_layers("StackedCells", cells)
        if not any(isinstance(one, Cell) for one in self.cells):
            raise ArgumentError(f"StackedCells: expected at least one cell, got {len(self.cells)} layers without any")

    def children(self) -> dict[str, Layer]:
        """Return the cells by position."""
        return {str(index): one for index, one in enumerate(self.cells)}

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Those of all cells, from the lowest up."""
        return tuple(size for one in self.cells if isinstance(one, Cell) for size in one.state_sizes)

    def build(self, *shapes: Shape) -> Shapes:
        """Build the cells for (batch, features) and their states; return the output's shape and the states'."""
        x, *states = shapes
        if len(states) != len(self.state_sizes):
            raise ShapeError(f"{self.label}: expected {len(self.state_sizes)} states, got {len(states)}")
        for one, own in self._with_states(states):
            given = build_cell(one, x, own) if isinstance(one, Cell) else one.build(x)
            if isinstance(given[0], tuple):
                raise ShapeError(f"{one.label}: expected one output, got {len(given)}")
            x = given
        return (x, *states)

    def forward(self, x: Array, *states: Array) -> tuple[tuple[Array, ...], Any]:
        """Return the output and the states after a step of x (batch, features)."""
        after: list[Array] = []
        kept = []
        for one, own in self._with_states(states):
            given, saved = one.forward(x, *own)
            kept.append(saved)
            if isinstance(one, Cell):
                x, *_ = given = as_tuple(given)
                after += given[len(given) - len(own) :]
            else:
                x = given
        return (x, *after), kept

    def backward(self, gradients: Any, saved: Any) -> tuple[Array, ...]:
        """Return the gradients of x and of the states before."""
        dx, *dstates = gradients
        before: list[Array] = []
        for one, own in reversed(list(self._with_states(dstates))):
            if not isinstance(one, Cell):
                dx = one.backward(dx, saved.pop())
                continue
            given = (dx, *own) if own_output(one) else (dx + own[0], *own[1:])
            dx, *dbefore = one.backward(given if len(given) > 1 else given[0], saved.pop())
            before = [*dbefore, *before]
        return (dx, *before)

    def _with_states(self, states: Any) -> Iterator[tuple[Layer, tuple[Any, ...]]]:
        """Yield each cell with its own of the states, and each other layer with none."""
        start = 0
        for one in self.cells:
            count = len(one.state_sizes) if isinstance(one, Cell) else 0
            yield one, tuple(states[start : start + count])
            start += count
