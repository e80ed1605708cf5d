"""Cells: one step of a recurrence, and what makes a sequence layer of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import flag
from lamina.core.layer import Layer, require_layers
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape, show
from lamina.errors import ArgumentError, ShapeError, shown
from lamina.kinds.recurrent import RecurrentLayer
from lamina.kinds.step_rows import StepRows

__all__ = ["Cell", "Recurrent", "build_cell", "own_output"]


class Cell(Layer):
    """The base class of cells of one's own: one step of a recurrence, and its gradient.

    A cell is a layer whose inputs are x and the states before, and whose outputs are the states after, the
    first of which is what it puts out. It defines ``state_sizes`` and, as any layer::

        build(self, x, *states) -> the states' shapes         (batch, features), then (batch, size) each
        forward(self, x, *states) -> (states, saved)          one array, or a tuple of them
        backward(self, dstates, saved) -> (dx, *dstates)

    A cell whose output is none of its states gives it before them, and says so by the shapes that it builds::

        build(self, x, *states) -> (output, *states)
        forward(self, x, *states) -> ((y, *states), saved)
        backward(self, (dy, *dstates), saved) -> (dx, *dstates)

    `Recurrent` makes it a sequence layer. `lamina.testing.check_layer` proves it as it stands.
    """

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The size of each state; by default one, of ``self.units``."""
        units: int = self.units  # type: ignore[attr-defined]
        return (units,)


@register
class Recurrent(RecurrentLayer):
    """A cell as a sequence layer, with lengths, states in and out, and direction.

    Of a cell whose output is none of its states, the output after a row's end is the last valid step's, 0 where it
    has none; what comes in and out beside it are the states.

    Parameters
    ----------
    cell : Cell
    return_sequences, return_state, go_backwards : bool
        See `RecurrentLayer`.

    Examples
    --------
    A leaky integrator, h' = (h + x) / 2:

    >>> import lamina
    >>> class Leaky(lamina.Cell):
    ...     def __init__(self, units):
    ...         self.units = units
    ...     def build(self, x, h):
    ...         return h
    ...     def forward(self, x, h):
    ...         return (h + x) / 2, None
    ...     def backward(self, dh, saved):
    ...         return dh / 2, dh / 2
    >>> layer = lamina.Recurrent(Leaky(1), return_sequences=True)
    >>> layer.build((None, None, 1))
    (None, None, 1)
    >>> layer([[[1.0], [1.0], [1.0]]], lengths=[2])[0, :, 0].tolist()
    [0.5, 0.75, 0.0]

    One whose output is not its state, which is the sum so far: y = x / (h + x), each step's share of it.

    >>> class Share(Leaky):
    ...     def build(self, x, h):
    ...         return h, h
    ...     def forward(self, x, h):
    ...         total = h + x
    ...         return (x / total, total), (x, total)
    ...     def backward(self, gradients, saved):
    ...         (dy, dh), (x, total) = gradients, saved
    ...         dtotal = dh - dy * x / total**2
    ...         return dy / total + dtotal, dtotal
    >>> layer = lamina.Recurrent(Share(1), return_sequences=True, return_state=True)
    >>> layer.build((None, None, 1))
    ((None, None, 1), (None, 1))
    >>> y, total = layer([[[1.0], [3.0], [4.0]]])
    >>> y[0, :, 0].tolist(), total[0].tolist()
    ([1.0, 0.75, 0.5], [8.0])
    """

    kernel_name = "scan"

    def __init__(
        self, cell: Cell, *, return_sequences: bool = False, return_state: bool = False, go_backwards: bool = False
    ) -> None:
        self.cell = require_layers("Recurrent", [cell])[0]
        if not hasattr(cell, "state_sizes"):
            raise ArgumentError(f"Recurrent: expected a cell, got {shown(cell)}")
        self.return_sequences = flag(self, "return_sequences", return_sequences)
        self.return_state = flag(self, "return_state", return_state)
        self.go_backwards = flag(self, "go_backwards", go_backwards)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The cell's."""
        sizes: tuple[int, ...] = self.cell.state_sizes  # type: ignore[attr-defined]
        return sizes

    def create(self, features: int, states: Sequence[Shape]) -> None:
        """Build the cell."""
        build_cell(self.cell, (None, features), states)

    def _output_size(self) -> int:
        """Return the size of the cell's output."""
        return (*own_output(self.cell), *self.state_sizes)[0]

    # What a step carries to the next one are the states and, before them, such an output: past a row's end it stays.

    def run(
        self, x: Array, states: tuple[Array | None, ...], lengths: Lengths | None
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Scan the cell over the time axis; a row that has ended takes no part in a step."""
        rows = StepRows(self.backend, lengths, x.shape, self.go_backwards)
        sizes = (*own_output(self.cell), *self.state_sizes)
        own = len(sizes) - len(self.state_sizes)

        def step(x_t: Array, before: tuple[Array, ...]) -> tuple[tuple[Array, ...], Any]:
            return rows.forward(self.cell.forward, x_t, before, own)

        backend = self.backend
        states = (None,) * (len(sizes) - len(states)) + states
        start = tuple(
            backend.zeros((x.shape[0], size), x.dtype) if state is None else rows.sort(state)
            for state, size in zip(states, sizes, strict=True)
        )
        with rows.draws:
            h, last, content = self.kernel.forward(step, rows.sort(x), start, None, reverse=self.go_backwards)
        return rows.zero_past(rows.restore(h)), tuple(map(rows.restore, last)), (content, x.shape, start, rows)

    def run_backward(
        self, dh: Array | None, dstates: tuple[Array | None, ...], saved: Any
    ) -> tuple[Array, tuple[Array, ...]]:
        """Run the cell's gradients in the opposite order."""
        content, shape, start, rows = saved
        own = len(start) - len(self.state_sizes)

        def step_backward(after: tuple[Array, ...], step_saved: Any) -> tuple[Array, tuple[Array, ...]]:
            given: tuple[Array, tuple[Array, ...]] = rows.backward(self.cell.backward, after, step_saved, own)
            return given

        backend, dtype = self.backend, start[0].dtype
        last = tuple(
            backend.zeros(state.shape, dtype) if gradient is None else rows.sort(gradient)
            for gradient, state in zip(dstates, start, strict=True)
        )
        dh = None if dh is None else rows.sort(rows.zero_past(dh))
        steps, first = self.kernel.backward(step_backward, dh, last, content)
        return rows.restore(backend.stack_steps(steps, shape, dtype)), tuple(map(rows.restore, first[own:]))

    def outputs(self, h: Array, last: tuple[Array, ...]) -> Any:
        """Return what the layer gives of the outputs (batch, time, size) and what the last step carries on."""
        y = h if self.return_sequences else last[0]
        return (y, *last[len(own_output(self.cell)) :]) if self.return_state else y

    def zero_states(self, batch: int) -> tuple[Array, ...]:
        """Return zeros, (batch, size) each, before the first step: of the states, and of an output that is none."""
        bound, states = self.bound(), super().zero_states(batch)
        return *(bound.backend.zeros((batch, size), bound.dtype_object) for size in own_output(self.cell)), *states

    def gradients_of(self, dy: Any) -> tuple[Array | None, tuple[Array | None, ...]]:
        """Return the gradients of the outputs of all steps and of what the last step carries on, or None."""
        if not own_output(self.cell):
            return super().gradients_of(dy)
        dy, *rest = dy if self.return_state else (dy, *[None] * len(self.state_sizes))
        return (dy, (None, *rest)) if self.return_sequences else (None, (dy, *rest))


def build_cell(cell: Layer, x: Shape, states: Sequence[Shape]) -> Shape:
    """Build a cell for x (batch, features) and the states' shapes, and return the shape of what it puts out.

    Raises
    ------
    ShapeError
        If what it builds are not the states, or an output and the states.
    """
    given = _several(cell.build(x, *states))
    if given[len(given) > len(states) :] != tuple(states):
        raise ShapeError(f"{cell.label}: expected to give states {show(states)}, got {show(given)}")
    return given[0]


def own_output(cell: Layer) -> tuple[int, ...]:
    """Return the size of a built cell's output, where that is none of its states; else nothing."""
    given = _several(cell.output_shape)
    if len(given) == len(cell.state_sizes):  # type: ignore[attr-defined]
        return ()
    return (cell.size_of(given[0], -1),)


def _several(shapes: Any) -> tuple[Shape, ...]:
    return tuple(shapes) if isinstance(shapes[0], tuple) else (shapes,)
