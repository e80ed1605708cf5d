"""What recurrent layers over weights w_x, w_h and b share: SimpleRNN, LSTM, GRU, and those with layer normalization."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from lamina.backends import Array
from lamina.backends.kernels import Kernel
from lamina.core.calls import running
from lamina.core.gradients import gradients_of
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.parameter import Parameter
from lamina.core.record import read_only
from lamina.core.shapes import Lengths, Shape, as_tuple
from lamina.kinds.gate_weights import GateWeights
from lamina.kinds.recurrent import RecurrentLayer

__all__ = ["WeightedRecurrentLayer"]


class WeightedRecurrentLayer(GateWeights, RecurrentLayer):
    """The base class of recurrent layers whose gates are affine in x and h; the gates lie side by side.

    ``forward`` is that of a layer with one state; one with several overrides it, to name them.

    Attributes
    ----------
    gates : int
        How many there are.
    w_x : Parameter (features, gates units)
    w_h : Parameter (size of the first state, gates units)
    b : Parameter (gates units,) or None
    w_p : Parameter or None
        What projects the output, of a layer that has one.
    weight_names : tuple of str
        Those of the parameters that a program's kernel may take.
    extended_kernel_name : str
        The kernel that runs where there is a projection, or a mask.
    state_dropout : Layer or None
        What makes a mask of ones, (batch, size of the first state), in training.
    """

    weight_names: ClassVar[tuple[str, ...]] = ("w_x", "w_h", "b", "b_h", "w_p")
    extended_kernel_name: ClassVar[str] = ""
    state_dropout: Layer | None = None
    w_p: Parameter | None = None

    def create(self, features: int, states: Sequence[Shape]) -> None:
        """Create the parameters."""
        self.create_weights(features)
        if self.state_dropout is not None:
            self.state_dropout.build(states[0])

    @read_only
    def kernel(self) -> Kernel:
        """The forward and backward pair that really runs."""
        return self.backend.select(self._name_now(), **self.kernel_options())

    def _name_now(self) -> str:
        """Return the name of the kernel that runs: the plain one without a projection, and a mask in training."""
        masked = self.state_dropout is not None and not running.inferring
        return self.extended_kernel_name if masked or self.w_p is not None else self.kernel_name

    def chosen_kernel(self, x: Array) -> tuple[Kernel, dict[str, Any]]:
        """Return the kernel that runs over x, and what it takes by keyword."""
        options = self.kernel_options()
        backend = (self._record.binding or self.bound()).backend
        taken = {**options, "reverse": self.go_backwards}
        if self.state_dropout is None and self.w_p is None:  # as nearly always
            return backend.select(self.kernel_name, **options), taken
        if self.state_dropout is not None and not running.inferring:
            ones = backend.full((x.shape[0], self.state_sizes[0]), 1, x.dtype)
            taken["state_mask"] = self.state_dropout.forward(ones)[0]
        if self.w_p is not None:
            taken["w_p"] = self.w_p.data
        return backend.select(self._name_now(), **options), taken

    def forward(  # type: ignore[override]  # it names its state
        self, x: Array, state: Array | None = None, lengths: Lengths | None = None
    ) -> tuple[Any, Any]:
        """Run over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        state : (batch, units), optional
            The initial state; zeros if not given.
        lengths : (batch,) integers, optional

        Returns
        -------
        y : (batch, time, units) with return_sequences, else (batch, units); with return_state, (y, state)
        saved : for `backward`
        """
        given = self.check_states(x, (state,))
        kernel, options = self.chosen_kernel(x)
        h, last, content = kernel.forward(x, *self.weights, state, lengths, **options)
        return self.outputs(h, (last,)), ((kernel, content), given)

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Run one step, as `forward` runs them."""
        return super().step(x, states)

    def run(
        self, x: Array, states: tuple[Array | None, ...], lengths: Lengths | None
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run the kernel over the time axis."""
        kernel, options = self.chosen_kernel(x)
        h, last, content = kernel.forward(x, *self.weights, *states, lengths, **options)
        return h, as_tuple(last), (kernel, content)

    def run_backward(
        self, dh: Array | None, dstates: tuple[Array | None, ...], saved: Any, *, input_gradient: bool = True
    ) -> tuple[Array | None, tuple[Array, ...]]:
        """Run the kernel's gradient and add the parameters'."""
        kernel, content = saved
        dx, *_, dinitial = kernel.backward(
            dh, *dstates, content, self.w_x.data, self.w_h.data, input_gradient=input_gradient,
            gradients=partial(gradients_of, self.weight_parameters()),
        )  # fmt: skip
        return dx, dinitial if isinstance(dinitial, tuple) else (dinitial,)

    def lowered(self, lowering: Lowering, x: Value, states: tuple[Value, ...]) -> Value | tuple[Value, ...]:
        """Add the kernel to a program, with initial states or none; what ``lower`` of a layer with a form does."""
        mask: tuple[Value, ...] = ()
        if self.state_dropout is not None and lowering.training:
            ones = lowering.program.value(self.state_sizes[0])
            lowering.call("ones", (), (ones,))
            mask = (lowering(self.state_dropout, ones),)  # type: ignore[assignment]  # it gives one
        last = tuple(lowering.program.value(size) for size in self.state_sizes)
        if lowering.streaming:
            if states or self.go_backwards:
                raise lowering.refuse(self, "cannot go on where it ended")
            states, last = zip(*[lowering.state(size) for size in self.state_sizes], strict=True)
        sequence = (lowering.value(x, self.state_sizes[0]),) if self.return_sequences else ()
        weights = {name: getattr(self, name, None) for name in self.weight_names}
        lowering.call(
            self.kernel_name, (x, *states, *mask), (*sequence, *last), weights, reverse=self.go_backwards,
            state_mask=bool(mask), **self.kernel_options(),
        )  # fmt: skip
        y = sequence[0] if sequence else last[0]
        return (y, *last) if self.return_state else y
