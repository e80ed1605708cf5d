"""What recurrent layers share: shapes, states in and out, lengths, direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from lamina.backends import Array
from lamina.core.calls import definer, takes
from lamina.core.layer import Layer
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape, Shapes, show
from lamina.errors import ShapeError, StreamError

__all__ = ["RecurrentLayer"]


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
        y: Shape = (None, shape[1], self._output_size()) if self.return_sequences else (None, self._output_size())
        return (y, *expected) if self.return_state else y

    def _output_size(self) -> int:
        """Return the size of the output: the first state's."""
        return self.state_sizes[0]

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
        return self.zero_states(batch)

    def zero_states(self, batch: int) -> tuple[Array, ...]:
        """Return what goes from step to step, before the first one: zeros, (batch, size) each."""
        bound = self.bound()
        return tuple(bound.backend.zeros((batch, size), bound.dtype_object) for size in self.state_sizes)

    def open_stream(self, batch: int, whole: tuple[bool, ...]) -> tuple[bool, tuple[Array, ...]]:
        """Return zeros in place of the initial states; raise unless these are given whole, and x step by step."""
        if whole[0] or not all(whole[1:]):
            raise StreamError(
                f"{self.label}: cannot stream: it takes its initial states whole and x step by step, not otherwise"
            )
        if self.go_backwards:
            raise StreamError(f"{self.label}: cannot stream with go_backwards=True: it begins with a row's last step")
        return False, self.zero_states(batch)

    def begin_stream(self, *inputs: Any, lengths: Any = None) -> tuple[None, tuple[Array, ...]]:
        """Return the initial states, (batch, size) each."""
        states = inputs[1:]
        return None, (*self.zero_states(states[0].shape[0])[: -len(states)], *states)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Any, tuple[Array, ...], Any]:
        """Run over the next steps of x (batch, time, features) from the states before them."""
        x = inputs[0]
        if not training and lengths is None and x.shape[1] == 1:  # what streams do most: as little as can be
            last = self.step(x[:, 0, ...], state or self.zero_states(x.shape[0]))
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
