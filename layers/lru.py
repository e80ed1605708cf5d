"""The linear recurrent unit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag
from lamina.core.gradients import gradients_of
from lamina.core.initializers import InitializerLike, find_initializer
from lamina.core.lowering import Lowering, Value
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape
from lamina.kinds.weighted_recurrent import WeightedRecurrentLayer

__all__ = ["LRU"]


@register
class LRU(WeightedRecurrentLayer):
    """The linear recurrent unit (Orvieto et al., 2023, "Resurrecting Recurrent Neural Networks for Long Sequences").

        s_t = l s_{t-1} + g (x_t B)    y_t = Re(s_t C) + x_t D    l = exp(-n + i p)

    The state s is complex, ``units`` numbers a row; each is turned by an angle p and shrunk by exp(-n) at a step, and g
    keeps its size. Here all is real: s is (batch, 2 units), real parts before imaginary ones, and so are B and C, of
    which the lower half is minus the imaginary part. No activation stands between the steps: put one between layers.

    Parameters
    ----------
    units : int
        How many complex numbers the state has, and how many real ones the output.
    return_sequences, return_state, go_backwards : bool
        See `RecurrentLayer`; with ``return_state`` the outputs are (y, last y, s). The first state takes no part in a
        step: it is the last output of a row without steps.
    eigenvalues_initializer, w_b_initializer, w_c_initializer, w_d_initializer : str, float or Initializer
        The eigenvalues start on a ring close below the unit circle, see `Ring`.

    Attributes
    ----------
    eigenvalues : Parameter (3 units,)
        log n, log p and log g side by side.
    w_b : Parameter (features, 2 units)
    w_c : Parameter (2 units, units)
    w_d : Parameter (features, units)

    Raises
    ------
    ArgumentError
        If units is not a positive whole number.

    Examples
    --------
    A state that shrinks to half at each step, from 1 on:

    >>> import numpy as np
    >>> layer = LRU(1, return_sequences=True)
    >>> layer.build((None, None, 1), seed=0)
    (None, None, 1)
    >>> layer.eigenvalues.data = np.log([np.log(2), 1e-9, 1])
    >>> layer.w_b.data, layer.w_c.data, layer.w_d.data = [[1.0, 0.0]], [[1.0], [0.0]], [[0.0]]
    >>> np.round(layer([[[1.0], [0.0], [0.0]]], lengths=[2])[0, :, 0], 6).tolist()
    [1.0, 0.5, 0.0]
    """

    kernel_name = "lru"
    weight_names = "eigenvalues", "w_b", "w_c", "w_d"

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        eigenvalues_initializer: InitializerLike = "ring",
        w_b_initializer: InitializerLike = "glorot_normal",
        w_c_initializer: InitializerLike = "glorot_normal",
        w_d_initializer: InitializerLike = "glorot_normal",
    ) -> None:
        self.units = extent(self, "units", units)
        self.return_sequences = flag(self, "return_sequences", return_sequences)
        self.return_state = flag(self, "return_state", return_state)
        self.go_backwards = flag(self, "go_backwards", go_backwards)
        self.eigenvalues_initializer = find_initializer(eigenvalues_initializer)
        self.w_b_initializer = find_initializer(w_b_initializer)
        self.w_c_initializer = find_initializer(w_c_initializer)
        self.w_d_initializer = find_initializer(w_d_initializer)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The sizes of the last output and of s."""
        return (self.units, 2 * self.units)

    def create(self, features: int, states: Sequence[Shape]) -> None:
        """Create the parameters."""
        units = self.units
        self.eigenvalues = Parameter((3 * units,), self.eigenvalues_initializer)
        self.w_b = Parameter((features, 2 * units), self.w_b_initializer)
        self.w_c = Parameter((2 * units, units), self.w_c_initializer)
        self.w_d = Parameter((features, units), self.w_d_initializer)

    @property
    def weights(self) -> tuple[Array | None, ...]:
        """The values of the parameters: what the kernel takes after x."""
        return self.eigenvalues.data, self.w_b.data, self.w_c.data, self.w_d.data

    def forward(  # type: ignore[override]  # it names its states
        self, x: Array, y: Array | None = None, s: Array | None = None, lengths: Lengths | None = None
    ) -> tuple[Any, Any]:
        """Run over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        y : (batch, units), optional
            The last output of a row without steps.
        s : (batch, 2 units), optional
            The initial state. Zeros if neither is given.
        lengths : (batch,) integers, optional

        Returns
        -------
        y : (batch, time, units) with return_sequences, else (batch, units); with return_state, (y, last y, s)
        saved : for `backward`
        """
        given = self.check_states(x, (y, s))
        kernel, options = self.chosen_kernel(x)
        outputs, last, content = kernel.forward(x, *self.weights, y, s, lengths, **options)
        return self.outputs(outputs, last), ((kernel, content), given)

    def step(self, x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        """Run one step."""
        weights = self.eigenvalues.data, self.w_b.data, self.w_c.data, self.w_d.data
        return self.backend.lru_step(x, *weights, states[1])

    def lower(self, lowering: Lowering, x: Value, *states: Value) -> Value | tuple[Value, ...]:
        """Add the kernel to a program."""
        return self.lowered(lowering, x, states)

    def run_backward(
        self, dh: Array | None, dstates: tuple[Array | None, ...], saved: Any, *, input_gradient: bool = True
    ) -> tuple[Array | None, tuple[Array, ...]]:
        """Run the kernel's gradient and add the parameters'."""
        kernel, content = saved
        gradients = partial(gradients_of, (self.eigenvalues, self.w_b, self.w_c, self.w_d))
        dx, *_, dinitial = kernel.backward(
            dh, *dstates, content, *self.weights, input_gradient=input_gradient, gradients=gradients
        )
        return dx, dinitial
