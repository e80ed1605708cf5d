"""What recurrent layers over weights w_x, w_h and b share: SimpleRNN, LSTM and GRU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from lamina.backends import Array
from lamina.backends.kernels import Kernel
from lamina.core.gradients import add_to_gradients
from lamina.core.initializers import Initializer
from lamina.core.parameter import Parameter
from lamina.core.shapes import Lengths, Shape, as_tuple
from lamina.kinds.recurrent import RecurrentLayer

__all__ = ["WeightedRecurrentLayer"]


class WeightedRecurrentLayer(RecurrentLayer):
    """The base class of recurrent layers whose gates are affine in x and h; the gates lie side by side.

    Attributes
    ----------
    gates : int
        How many there are.
    w_x : Parameter (features, gates units)
    w_h : Parameter (units, gates units)
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

    def create(self, features: int, states: Sequence[Shape]) -> None:
        """Create the parameters."""
        columns = self.gates * self.units
        self.w_x = Parameter((features, columns), self.w_x_initializer)
        self.w_h = Parameter((self.units, columns), self.w_h_initializer)
        self.b = Parameter((columns,), self.b_initializer) if self.use_bias else None

    @property
    def weights(self) -> tuple[Array | None, ...]:
        """The values of w_x, w_h and b, None where there is no bias: what the kernel takes after x."""
        return self.w_x.data, self.w_h.data, None if self.b is None else self.b.data

    def chosen_kernel(self) -> tuple[Kernel, dict[str, Any]]:
        """Return the kernel that runs, and what it takes by keyword."""
        options = self.kernel_options()
        kernel = (self._record.binding or self.bound()).backend.select(self.kernel_name, **options)
        return kernel, {**options, "reverse": self.go_backwards}

    def run(
        self, x: Array, states: tuple[Array | None, ...], lengths: Lengths | None
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run the kernel over the time axis."""
        kernel, options = self.chosen_kernel()
        h, last, content = kernel.forward(x, *self.weights, *states, lengths, **options)
        return h, as_tuple(last), (kernel, content)

    def run_backward(
        self, dh: Array | None, dstates: tuple[Array | None, ...], saved: Any, *, input_gradient: bool = True
    ) -> tuple[Array | None, tuple[Array, ...]]:
        """Run the kernel's gradient and add the parameters'."""
        kernel, content = saved
        dx, *dweights, dinitial = kernel.backward(
            dh, *dstates, content, self.w_x.data, self.w_h.data, input_gradient=input_gradient
        )
        self.add_gradients(*dweights)
        return dx, as_tuple(dinitial)

    def add_gradients(self, dw_x: Array, dw_h: Array, db: Array, *further: Array) -> None:
        """Add to the parameters' gradients; a kernel of more weights gives further ones."""
        add_to_gradients((self.w_x, self.w_h, self.b), (dw_x, dw_h, db))
