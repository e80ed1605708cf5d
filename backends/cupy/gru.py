"""The GRU on CUDA: a product and a kernel for each step and direction; two of each where the reset gate comes first."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.cupy.compiled import NONE
from lamina.backends.cupy.products import Products
from lamina.backends.cupy.recurrence import Steps
from lamina.backends.kernels import adding

__all__ = ["CuPyGRUKernels"]


class CuPyGRUKernels(Products):
    """The gated recurrent unit."""

    def gru_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        b_h: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reset_after: bool = True,
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run the GRU over the time axis; as the generic kernel."""
        steps = Steps(self, "gru.cu", x, lengths, w_h.shape[0], 3, reverse)
        w_x, w_h = self.as_operand(w_x), self.as_operand(w_h)
        gates, befores, outputs, h = steps.projected(w_x), steps.for_steps(1), steps.for_steps(1), steps.state(state)
        left, bias = self.as_operand(h), NONE if b is None else b
        sizes = (*steps.sizes, steps.stride_argument, steps.reverse)
        if reset_after:
            products, product = steps.for_steps(1), steps.for_step(3)
            multiply = self.product(left, w_h, product)
            own = (NONE if b_h is None else b_h, steps.lengths, h, left, steps.before, befores, products, outputs)
            launch = steps.launch("gru_forward", (gates, product, bias, *own, *sizes))
            for step in range(steps.time):
                multiply()
                launch(step)
            return outputs, h, (steps, gates, befores, products, w_x, w_h, True)
        resets, reset = steps.for_steps(1, operand=True), steps.for_step(1, operand=True)
        of_gates, of_candidate = steps.for_step(2), steps.for_step(1)
        units = steps.units
        multiply_gates = self.product(left, w_h[:, : 2 * units], of_gates)
        multiply_candidate = self.product(reset, w_h[:, 2 * units :], of_candidate)
        launch_gates = steps.launch(
            "gru_gates",
            (gates, of_gates, bias, steps.lengths, h, reset, resets, *steps.sizes, steps.reverse),
        )
        launch_candidate = steps.launch(
            "gru_candidate",
            (gates, of_candidate, bias, steps.lengths, h, left, steps.before, befores, outputs, *sizes),
        )
        for step in range(steps.time):
            multiply_gates()
            launch_gates(step)
            multiply_candidate()
            launch_candidate(step)
        return outputs, h, (steps, gates, befores, resets, w_x, w_h, False)

    @adding
    def gru_backward(
        self,
        dh: Array | None,
        dstate: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Array, Array, Array, Array, Array]:
        """Propagate the gradients of the outputs and of the last state back through time; as the generic kernel."""
        steps, gates, befores, products, w_x, w_h, reset_after = saved
        carried, da = steps.state(dstate), steps.for_steps(3, operand=True)
        back = self._run_back_after if reset_after else self._run_back_before
        dw_x, dw_h, db, db_h = back(steps, (gates, befores, products), dh, carried, da, w_h)
        dx = steps.input_gradient(da, w_x) if input_gradient else None
        return dx, dw_x, dw_h, db, db_h, carried

    def _run_back_after(
        self, steps: Steps, kept: tuple[Array, ...], dh: Array | None, carried: Array, da: Array, w_h: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Run the steps back, the reset gate after the product; return the gradients of w_x, w_h, b and b_h."""
        dproducts, now = steps.for_steps(3, operand=True), steps.for_step(3, operand=True)
        upstream, *strides = steps.upstream(dh)
        own = (upstream, steps.lengths, carried, da, dproducts, now, *strides, *steps.sizes, steps.reverse)
        launch = steps.launch("gru_backward", (*kept, *own))
        multiply = self.product(now, w_h.T, carried, add=True)
        for step in range(steps.time - 1, -1, -1):
            launch(step)
            multiply()
        of_x = steps.weight_gradients(da, slice(steps.features + 1))
        of_state = steps.weight_gradients(dproducts, slice(steps.features, None))
        return of_x[:-1], of_state[1:], of_x[-1], of_state[0, 2 * steps.units :]

    def _run_back_before(
        self, steps: Steps, kept: tuple[Array, ...], dh: Array | None, carried: Array, da: Array, w_h: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Run the steps back, the reset gate before the product; return the gradients of w_x, w_h, b and b_h."""
        gates, befores, resets = kept
        units, dreset = steps.units, steps.for_step(1)
        now, gate_now = steps.for_step(1, operand=True), steps.for_step(2, operand=True)
        upstream, *strides = steps.upstream(dh)
        sizes = (*steps.sizes, steps.reverse)
        launch_candidate = steps.launch(
            "gru_candidate_backward",
            (gates, befores, upstream, steps.lengths, carried, da, now, gate_now, *strides, *sizes),
        )
        launch_gates = steps.launch(
            "gru_gates_backward", (gates, befores, dreset, steps.lengths, carried, da, gate_now, *sizes)
        )
        multiply_candidate = self.product(now, w_h[:, 2 * units :].T, dreset)
        multiply_gates = self.product(gate_now, w_h[:, : 2 * units].T, carried, add=True)
        for step in range(steps.time - 1, -1, -1):
            launch_candidate(step)
            multiply_candidate()
            launch_gates(step)
            multiply_gates()
        dw_x, db, dw_h = steps.parameters(steps.weight_gradients(da, slice(None)))
        # Of the candidate the product is that of the reset state.
        rows, candidate = (self.reshape(one, (-1, one.shape[2])) for one in (resets, da))
        self.product(rows.T, candidate[:, 2 * units :], dw_h[:, 2 * units :])()
        return dw_x, dw_h, db, self.zeros((units,), steps.dtype)

    def gru_step(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        b_h: Array | None,
        h: Array,
        *,
        reset_after: bool = True,
    ) -> Array:
        """Run one step; as the generic kernel."""
        return self.gru_forward(x[:, None, :], w_x, w_h, b, b_h, h, None, reset_after=reset_after)[1]
