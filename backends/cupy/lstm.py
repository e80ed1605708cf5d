"""The LSTM on CUDA: a product and a kernel for each step and direction."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.cupy.compiled import NONE
from lamina.backends.cupy.products import Products
from lamina.backends.cupy.recurrence import Steps
from lamina.backends.kernels import adding

__all__ = ["CuPyLSTMKernels"]


class CuPyLSTMKernels(Products):
    """The LSTM."""

    def lstm_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        h: Array | None,
        c: Array | None,
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, tuple[Array, Array], Saved]:
        """Run the LSTM over the time axis; as the generic kernel."""
        steps = Steps(self, "lstm.cu", x, lengths, w_h.shape[0], 4, reverse)
        w_x, w_h = self.as_operand(w_x), self.as_operand(w_h)
        gates, cells, outputs = steps.projected(w_x), steps.for_steps(1), steps.for_steps(1)
        h, c = steps.state(h), steps.state(c)
        left, product = self.as_operand(h), steps.for_step(4)
        multiply = self.product(left, w_h, product)
        launch = steps.launch(
            "lstm_forward",
            (
                gates, product, NONE if b is None else b, steps.lengths, h, c, left, steps.before, cells, outputs,
                *steps.sizes, steps.stride_argument, steps.reverse,
            ),
        )  # fmt: skip
        for step in range(steps.time):
            multiply()
            launch(step)
        return outputs, (h, c), (steps, gates, cells, w_x, w_h)

    @adding
    def lstm_backward(
        self,
        dh: Array | None,
        dh_last: Array | None,
        dc_last: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Array, Array, Array, tuple[Array, Array]]:
        """Propagate the gradients of the outputs and of the last states back through time; as the generic kernel."""
        steps, gates, cells, w_x, w_h = saved
        dstate, dcell = steps.state(dh_last), steps.state(dc_last)
        da, now = steps.for_steps(4, operand=True), steps.for_step(4, operand=True)
        upstream, *strides = steps.upstream(dh)
        launch = steps.launch(
            "lstm_backward",
            (
                gates, cells, upstream, steps.lengths, dstate, dcell, da, now, *strides, *steps.sizes, steps.reverse,
            ),
        )  # fmt: skip
        multiply = self.product(now, w_h.T, dstate, add=True)
        for step in range(steps.time - 1, -1, -1):
            launch(step)
            multiply()
        dx = steps.input_gradient(da, w_x) if input_gradient else None
        dw_x, db, dw_h = steps.parameters(steps.weight_gradients(da, slice(None)))
        return dx, dw_x, dw_h, db, (dstate, dcell)

    def lstm_step(self, x: Array, w_x: Array, w_h: Array, b: Array | None, h: Array, c: Array) -> tuple[Array, Array]:
        """Run one step; as the generic kernel."""
        return self.lstm_forward(x[:, None, :], w_x, w_h, b, h, c, None)[1]
