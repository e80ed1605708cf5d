"""NumPy's kernels for the GRU: large products outside the time loop, whole blocks and no allocation inside it."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.numpy_gates import CHUNK_ROWS, NumPyGateKernels, largest_chunk
from lamina.backends.reading_order import reading_order

__all__ = ["NumPyGRUKernels"]

# Gates in a stack: r, z, n as in the parameters in the forward pass; n first in the backward pass, so that the
# gradients by x w_x (n, r, z) and those by h w_h (r, z, and r's product) each lie together.
_GATES = (0, 1, 2)
_GATES_BACK = (2, 0, 1)


class NumPyGRUKernels(NumPyGateKernels):
    """The GRU over stacks of gates (see `NumPyGateKernels`) in reading order (see `ReadingOrder`)."""

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
        batch, time, _ = x.shape
        units, dtype = w_h.shape[0], x.dtype
        order = reading_order(batch, time, lengths, reverse)
        inputs = self.inputs_and_one(order, x)
        # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2: with halved weights one tanh serves both of them.
        half = np.asarray(0.5, dtype)
        w_in = self.stacked(self.weights_and_bias(w_x, b), units, _GATES)
        w_state = self.stacked(w_h, units, _GATES)
        w_in[:2] *= half
        w_state[:2] *= half
        w_first = w_state if reset_after else w_state[:2]
        bias = self.empty((batch, units), dtype)  # a block of its own: a sum without broadcasting is faster
        bias[...] = 0 if b_h is None else b_h

        hidden = self.slab(order, state, batch, units, dtype)
        activity = self.empty((order.rows, 5 * units), dtype)  # step by step a stack of r, z, n, r's product, h - n
        room = self.empty((3 * batch * units,), dtype)
        matmul, add, multiply, subtract, tanh = np.matmul, np.add, np.multiply, np.subtract, np.tanh
        chunks = order.chunks(CHUNK_ROWS)
        for chunk in chunks:
            for run in chunk:
                stacks = run.of(activity).reshape(run.steps, 5, run.number, units)
                matmul(run.of(inputs)[:, None], w_in, out=stacks[:, :3])
                product = room[: 3 * run.number * units].reshape(3, run.number, units)
                of_sigmoids, of_new, b_new = product[:2], product[2], bias[: run.number]
                first = product[: len(w_first)]
                before = run.first_before(hidden)
                for stack, after in zip(stacks, run.after(hidden), strict=True):
                    sigmoids = stack[:2]
                    r, z, n, reset, change = stack
                    matmul(before, w_first, out=first)
                    add(sigmoids, of_sigmoids, out=sigmoids)
                    tanh(sigmoids, out=sigmoids)
                    multiply(sigmoids, half, out=sigmoids)
                    add(sigmoids, half, out=sigmoids)
                    if reset_after:
                        add(of_new, b_new, out=reset)
                        multiply(r, reset, out=of_new)
                    else:
                        multiply(r, before, out=reset)
                        matmul(reset, w_state[2], out=of_new)
                    add(n, of_new, out=n)
                    tanh(n, out=n)
                    subtract(before, n, out=change)
                    multiply(z, change, out=after)
                    add(n, after, out=after)
                    before = after
        saved = (order, chunks, inputs, hidden, activity, x.shape, reset_after)
        return order.scatter(hidden[batch:]), order.last(hidden), saved

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
        """Propagate gradients back through time; as the generic kernel."""
        order, chunks, inputs, hidden, activity, (batch, _, features), reset_after = saved
        units, dtype = w_h.shape[0], hidden.dtype
        upstream = None if dh is None else order.gather(dh)
        carried = self.carried(order, dstate, batch, units, dtype)
        w_in_back = self.stacked(w_x, units, _GATES_BACK, transposed=True)
        w_state_back = self.stacked(w_h, units, _GATES, transposed=True)
        dx = self.empty((order.rows, features), dtype) if input_gradient else None
        dw_in = self.zeros((3, features + 1, units), dtype)
        dw_state = self.zeros((3, units, units), dtype)
        db_h = self.zeros((units,), dtype)

        largest = largest_chunk(chunks)
        slope_room = self.empty((4, largest, units), dtype)
        source_room, reset_room = self.empty((largest, units), dtype), self.empty((largest, units), dtype)
        dx_room = self.empty((3, largest, features), dtype)
        dw_in_part, dw_state_part = self.empty(dw_in.shape, dtype), self.empty(dw_state.shape, dtype)
        room = self.empty((4 * batch * units,), dtype)
        matmul, add, multiply, subtract, total = np.matmul, np.add, np.multiply, np.subtract, np.add.reduce
        for chunk in reversed(chunks):
            start, stop = chunk[0].first, chunk[-1].stop
            slopes = slope_room[:, : stop - start]
            sources, resets = source_room[: stop - start], reset_room[: stop - start]
            for run in reversed(chunk):
                rows = slice(run.first - start, run.stop - start)
                before = run.before(hidden)
                sources[rows] = before.reshape(-1, units)
                stacks = run.of(activity).reshape(run.steps, 5, run.number, units).swapaxes(0, 1)
                r, z, n, reset, change = stacks
                # Slopes of the loss's path from h to n, r, z and (reset_after) r's product.
                slope = slopes[:, rows].reshape(4, run.steps, run.number, units)
                by_new, by_reset, by_update, by_product = slope
                subtract(1, stacks[:2], out=slope[1:3])
                multiply(n, n, out=by_new)
                subtract(1, by_new, out=by_new)
                multiply(by_new, by_update, out=by_new)
                multiply(slope[1:3], stacks[:2], out=slope[1:3])
                multiply(by_update, change, out=by_update)
                if reset_after:
                    multiply(by_reset, reset, out=by_reset)
                    multiply(by_reset, by_new, out=by_reset)
                    multiply(by_new, r, out=by_product)
                else:
                    multiply(by_reset, before, out=by_reset)
                    resets[rows] = reset.reshape(-1, units)

                upstream_steps = None if upstream is None else run.of(upstream)
                dh_t = carried[: run.number]
                product = room[: 4 * run.number * units].reshape(4, run.number, units)
                through_gates, through_new, kept = product[:2], product[2], product[3]
                for t in range(run.steps - 1, -1, -1):
                    step = slope[:, t]  # turned into gradients in place
                    if upstream_steps is not None:
                        add(dh_t, upstream_steps[t], out=dh_t)
                    multiply(dh_t, z[t], out=kept)
                    if reset_after:
                        multiply(dh_t, step, out=step)
                        matmul(step[1:], w_state_back, out=product[:3])
                    else:
                        multiply(dh_t, step[::2], out=step[::2])  # n and z
                        matmul(step[0], w_state_back[2], out=through_new)
                        multiply(through_new, step[1], out=step[1])
                        multiply(through_new, r[t], out=through_new)
                        matmul(step[1:3], w_state_back[:2], out=through_gates)
                    total(product, axis=0, out=dh_t)
            if reset_after:
                matmul(sources.T, slopes[1:], out=dw_state_part)
                db_h += total(slopes[3], axis=0)
            else:
                matmul(sources.T, slopes[1:3], out=dw_state_part[:2])
                matmul(resets.T, slopes[0], out=dw_state_part[2])
            add(dw_state, dw_state_part, out=dw_state)
            matmul(inputs[start:stop].T, slopes[:3], out=dw_in_part)
            add(dw_in, dw_in_part, out=dw_in)
            if dx is not None:
                part = matmul(slopes[:3], w_in_back, out=dx_room[:, : stop - start])
                total(part, axis=0, out=dx[start:stop])
        dw = self.side_by_side(dw_in, _GATES_BACK)
        dw_h = self.side_by_side(dw_state, _GATES)
        return dx if dx is None else order.scatter(dx), dw[:-1], dw_h, dw[-1], db_h, order.from_first(carried)
