"""The simple recurrent layer on CUDA: a product and a kernel for each step and direction."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.cupy.compiled import NONE
from lamina.backends.cupy.products import Products
from lamina.backends.cupy.recurrence import Steps
from lamina.backends.kernels import adding

__all__ = ["ACTIVATIONS", "CuPySimpleRNNKernels"]

#: Those that the kernel knows, by its numbers.
ACTIVATIONS = {"tanh": np.int32(1), "relu": np.int32(2), "sigmoid": np.int32(3)}


class CuPySimpleRNNKernels(Products):
    """The simple recurrent network."""

    def simple_rnn_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        activation: str = "tanh",
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run h_t = f(x_t w_x + h_{t-1} w_h + b) over the time axis; as the generic kernel."""
        steps = Steps(self, "simple_rnn.cu", x, lengths, w_h.shape[0], 1, reverse)
        w_x, w_h = self.as_operand(w_x), self.as_operand(w_h)
        values, outputs, h = steps.projected(w_x), steps.for_steps(1), steps.state(state)
        left, product = self.as_operand(h), steps.for_step(1)
        multiply = self.product(left, w_h, product)
        launch = steps.launch(
            "simple_rnn_forward",
            (
                values, product, NONE if b is None else b, steps.lengths, h, left, steps.before, outputs,
                ACTIVATIONS[activation], *steps.sizes, steps.stride_argument, steps.reverse,
            ),
        )  # fmt: skip
        for step in range(steps.time):
            multiply()
            launch(step)
        return outputs, h, (steps, values, w_x, w_h, activation)

    @adding
    def simple_rnn_backward(
        self,
        dh: Array | None,
        dstate: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Array, Array, Array, Array]:
        """Propagate the gradients of h and of the last state back through time; as the generic kernel."""
        steps, values, w_x, w_h, activation = saved
        carried = steps.state(dstate)
        da, now = steps.for_steps(1, operand=True), steps.for_step(1, operand=True)
        upstream, *strides = steps.upstream(dh)
        launch = steps.launch(
            "simple_rnn_backward",
            (
                values, upstream, steps.lengths, carried, da, now, *strides, ACTIVATIONS[activation], *steps.sizes,
                steps.reverse,
            ),
        )  # fmt: skip
        multiply = self.product(now, w_h.T, carried, add=True)
        for step in range(steps.time - 1, -1, -1):
            launch(step)
            multiply()
        dx = steps.input_gradient(da, w_x) if input_gradient else None
        dw_x, db, dw_h = steps.parameters(steps.weight_gradients(da, slice(None)))
        return dx, dw_x, dw_h, db, carried

    def simple_rnn_step(
        self, x: Array, w_x: Array, w_h: Array, b: Array | None, h: Array, *, activation: str = "tanh"
    ) -> Array:
        """Run one step; as the generic kernel."""
        return self.simple_rnn_forward(x[:, None, :], w_x, w_h, b, h, None, activation=activation)[1]
