"""What recurrent layers share: shapes, states in and out, lengths, direction; and cells of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from lamina.backends import Array
from lamina.core.arguments import flag
from lamina.core.calls import definer, takes
from lamina.core.layer import Layer, require_layers
from lamina.core.registry import register
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape, Shapes, show
from lamina.errors import ShapeError, StreamError
from lamina.kinds.step_rows import StepRows

__all__ = ["Cell", "Recurrent", "RecurrentLayer"]


class RecurrentLayer(Layer):
    """The base class of layers that carry states along the time axis.

    Past a row's end the output is 0, the states stay as they are, and no gradient flows. A layer sets
    ``state_sizes`` (the first state is the output), creates its parameters in ``create``, and runs the time
    loop in ``run`` and ``run_backward``.

    Attributes
    ----------
    return_sequences : bool
        Whether the output is every step's, (batch, time, units), or the last one's, (batch, units).
    return_state : bool
        Whether the last states are further outputs: (y, state), or (y, h, c) for an LSTM.
    go_backwards : bool
        Whether each row is read from its last valid step to its first. The outputs stay with the steps they
        belong to; the last state is then the one after reading step 0.
    """

    return_sequences: bool
    return_state: bool
    go_backwards: bool

    _kept: ClassVar[tuple[str, ...]] = ("run", "run_backward", "step", "outputs", "check_states", "gradients_of")
    _may_leave_out_dx: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        forward, run = definer(cls, "forward"), definer(cls, "run")
        if run is not forward and issubclass(run, forward):
            cls.forward = RecurrentLayer.forward  # type: ignore[method-assign]  # a base's would bypass this class's run
        cls._may_leave_out_dx = takes(cls.run_backward, "input_gradient")

    # What a layer defines.

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The size of each state."""
        raise NotImplementedError(f"{type(self).__name__} does not define state_sizes")

    def create(self, features: int, states: Sequence[Shape]) -> None:
        """Create the parameters."""
        raise NotImplementedError(f"{type(self).__name__} does not define create")

    def run(
        self, x: Array, states: tuple[Array | None, ...], lengths: Lengths | None
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Return the outputs (batch, time, units), the last states, and what `run_backward` needs."""
        raise NotImplementedError(f"{type(self).__name__} does not define run")

    # Typed so that one with ``input_gradient``, and one without, overrides it.
    def run_backward(
        self, dh: Array | None, dstates: tuple[Array | None, ...], saved: Any, *further: Any, **options: Any
    ) -> tuple[Array | None, tuple[Array, ...]]:
        """Return dx and the initial states' gradients; add the parameters'. None is a gradient of zeros.

        With ``input_gradient=False``, which is given only to one that takes it, dx may be None.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define run_backward")

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Return the states after one step of x (batch, features), for inference; `run` does it by default."""
        return self.run(x[:, None, ...], states, None)[1]

    # What they share.

    def build(self, shape: Shape, *states: Shape) -> Shapes:
        """Create the parameters for (batch, time, features), and optionally initial states (batch, size)."""
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected (batch, time, features), got {show(shape)}")
        sizes = self.state_sizes
        expected = tuple((None, size) for size in sizes)
        if states and states != expected:
            raise ShapeError(f"{self.label}: expected initial states {show(expected)}, got {show(states)}")
        self.create(self.size_of(shape, -1), expected)
        y: Shape = (None, shape[1], sizes[0]) if self.return_sequences else expected[0]
        return (y, *expected) if self.return_state else y

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return the lengths where the output has a time axis, else None."""
        return lengths if self.return_sequences else None

    def forward(self, x: Array, *states: Array | None, lengths: Lengths | None = None) -> tuple[Any, Any]:
        """Run over the time axis of x (batch, time, features), from the states given, or zeros.

        Layers with a kernel override this, to name the states that they take, and to be nearer to the kernel.
        """
        states = states or (None,) * len(self.state_sizes)
        given = self.check_states(x, states)
        h, last, content = self.run(x, states, lengths)
        return self.outputs(h, last), (content, given)

    def check_states(self, x: Array, states: tuple[Array | None, ...]) -> bool:
        """Tell whether there are initial states for x (batch, time, features): all, (batch, size) each, or none.

        Raises
        ------
        ShapeError
            If one does not fit.
        """
        for state in states:
            if state is not None:
                break
        else:
            return False
        for state, size in zip(states, self.state_sizes, strict=True):
            if state is None or tuple(state.shape) != (x.shape[0], size):
                got = None if state is None else tuple(state.shape)
                raise ShapeError(f"{self.label}: expected an initial state {(x.shape[0], size)}, got {got}")
        return True

    def outputs(self, h: Array, last: tuple[Array, ...]) -> Any:
        """Return what the layer gives of the outputs (batch, time, units) and the last states."""
        y = h if self.return_sequences else last[0]
        return (y, *last) if self.return_state else y

    def stream_state(self, batch: int) -> tuple[Array, ...]:
        """Return states of zeros, (batch, size) each."""
        if self.go_backwards:
            raise StreamError(f"{self.label}: cannot stream with go_backwards=True: it begins with a row's last step")
        if any(len(shapes) > 1 for shapes in self.places):
            raise StreamError(f"{self.label}: cannot stream from an initial state that another layer gives")
        bound = self.bound()
        return tuple(bound.backend.zeros((batch, size), bound.dtype_object) for size in self.state_sizes)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Any, tuple[Array, ...], Any]:
        """Run over the next steps of x (batch, time, features) from the states before them."""
        x = inputs[0]
        if not training and lengths is None and x.shape[1] == 1:  # what streams do most: as little as can be
            last = self.step(x[:, 0, ...], state or self.stream_state(x.shape[0]))
            return self.outputs(last[0][:, None, ...], last), last, None
        h, last, content = self.run(x, state or (None,) * len(self.state_sizes), lengths)
        outputs = self.outputs(h, last)
        return outputs, last, SavedState(self, (content, False), outputs) if training else None

    def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
        """Backpropagate through time.

        Parameters
        ----------
        dy : like y; a tuple (dy, dstate, ...) with return_state

        Returns
        -------
        dx : (batch, time, features), None without ``input_gradient``; (dx, dstate, ...) where initial states were given
        """
        content, has_states = saved
        dh, dstates = self.gradients_of(dy)
        options = {"input_gradient": False} if not input_gradient and self._may_leave_out_dx else {}
        dx, dinitial = self.run_backward(dh, dstates, content, **options)
        dx = dx if input_gradient else None
        return (dx, *dinitial) if has_states else dx

    def gradients_of(self, dy: Any) -> tuple[Array | None, tuple[Array | None, ...]]:
        """Return the gradients of the outputs of all steps and of the last states, None where there is none."""
        dstates: tuple[Array | None, ...] = (None,) * len(self.state_sizes)
        if self.return_state:
            dy, *rest = dy
            dstates = tuple(rest)
        if self.return_sequences:
            return dy, dstates
        first = dstates[0]
        return None, (dy if first is None else dy + first, *dstates[1:])


class Cell(Layer):
    """The base class of cells of one's own: one step of a recurrence, and its gradient.

    A cell is a layer whose inputs are x and the states before, and whose outputs are the states after, the
    first of which is what it puts out. It defines ``state_sizes`` and, as any layer::

        build(self, x, *states) -> the states' shapes         (batch, features), then (batch, size) each
        forward(self, x, *states) -> (states, saved)          one array, or a tuple of them
        backward(self, dstates, saved) -> (dx, *dstates)

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
    """

    kernel_name = "scan"

    def __init__(
        self, cell: Cell, *, return_sequences: bool = False, return_state: bool = False, go_backwards: bool = False
    ) -> None:
        self.cell = require_layers("Recurrent", [cell])[0]
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
        output = self.cell.build((None, features), *states)
        given = output if isinstance(output[0], tuple) else (output,)
        if tuple(given) != tuple(states):
            raise ShapeError(f"{self.cell.label}: expected to give states {show(states)}, got {show(given)}")

    def run(
        self, x: Array, states: tuple[Array | None, ...], lengths: Lengths | None
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Scan the cell over the time axis; a row that has ended takes no part in a step."""
        rows = StepRows(self.backend, lengths, x.shape, self.go_backwards)

        def step(x_t: Array, before: tuple[Array, ...]) -> tuple[tuple[Array, ...], Any]:
            return rows.forward(self.cell.forward, x_t, before)

        backend = self.backend
        start = tuple(
            backend.zeros((x.shape[0], size), x.dtype) if state is None else rows.sort(state)
            for state, size in zip(states, self.state_sizes, strict=True)
        )
        with rows.draws:
            h, last, content = self.kernel.forward(step, rows.sort(x), start, None, reverse=self.go_backwards)
        return rows.zero_past(rows.restore(h)), tuple(map(rows.restore, last)), (content, x.shape, start, rows)

    def run_backward(
        self, dh: Array | None, dstates: tuple[Array | None, ...], saved: Any
    ) -> tuple[Array, tuple[Array, ...]]:
        """Run the cell's gradients in the opposite order."""
        content, shape, start, rows = saved

        def step_backward(after: tuple[Array, ...], step_saved: Any) -> tuple[Array, tuple[Array, ...]]:
            given: tuple[Array, tuple[Array, ...]] = rows.backward(self.cell.backward, after, step_saved)
            return given

        backend, dtype = self.backend, start[0].dtype
        last = tuple(
            backend.zeros(state.shape, dtype) if gradient is None else rows.sort(gradient)
            for gradient, state in zip(dstates, start, strict=True)
        )
        dh = None if dh is None else rows.sort(rows.zero_past(dh))
        steps, first = self.kernel.backward(step_backward, dh, last, content)
        return rows.restore(backend.stack_steps(steps, shape, dtype)), tuple(map(rows.restore, first))
