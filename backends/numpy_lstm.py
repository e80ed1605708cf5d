"""NumPy's kernels for the LSTM: large products outside the time loop, whole blocks and no allocation inside it."""

from __future__ import annotations

from itertools import repeat

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.numpy_gates import CHUNK_ROWS, NumPyGateKernels, largest_chunk
from lamina.backends.reading_order import reading_order

__all__ = ["NumPyLSTMKernels"]

# A stack's gates are g, i, f, o (in the parameters: i, f, g, o). In the forward pass tanh c follows as the fifth,
# so that these lie together or at equal distances:
_GATES = (2, 0, 1, 3)
_SIGMOIDS = slice(1, 4)  # i, f, o
_SQUASHED = slice(0, 5, 4)  # g, tanh c: what is a tanh ...
_OPENED = slice(1, 4, 2)  # i, o: ... and the gate that it passes
_TO_CELL = slice(0, 3)  # g, i, f: what reaches the loss through c


class NumPyLSTMKernels(NumPyGateKernels):
    """The LSTM over stacks of gates (see `NumPyGateKernels`) in reading order (see `ReadingOrder`)."""

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
        batch, time, _ = x.shape
        units, dtype = w_h.shape[0], x.dtype
        order = reading_order(batch, time, lengths, reverse)
        inputs = self.inputs_and_one(order, x)
        # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2: with halved weights one tanh serves all gates.
        half = np.asarray(0.5, dtype)
        w_in = self.stacked(self.weights_and_bias(w_x, b), units, _GATES)
        w_state = self.stacked(w_h, units, _GATES)
        w_in[_SIGMOIDS] *= half
        w_state[_SIGMOIDS] *= half

        hidden, cell = (self.slab(order, state, batch, units, dtype) for state in (h, c))
        activity = self.empty((order.rows, 5 * units), dtype)  # step by step a stack of g, i, f, o, tanh c
        room = self.empty((4 * batch * units,), dtype)
        matmul, add, multiply, tanh = np.matmul, np.add, np.multiply, np.tanh
        chunks = order.chunks(CHUNK_ROWS)
        for chunk in chunks:
            for run in chunk:
                stacks = run.of(activity).reshape(run.steps, 5, run.number, units)
                matmul(run.of(inputs)[:, None], w_in, out=stacks[:, :4])
                product = room[: 4 * run.number * units].reshape(4, run.number, units)
                written = product[0]  # free again once the product has been added
                h_before, c_before = run.first_before(hidden), run.first_before(cell)
                for stack, h_after, c_after in zip(stacks, run.after(hidden), run.after(cell), strict=True):
                    gates, sigmoids = stack[:4], stack[_SIGMOIDS]
                    g, i, f, o, squashed = stack
                    matmul(h_before, w_state, out=product)
                    add(gates, product, out=gates)
                    tanh(gates, out=gates)
                    multiply(sigmoids, half, out=sigmoids)
                    add(sigmoids, half, out=sigmoids)
                    multiply(i, g, out=written)
                    multiply(f, c_before, out=c_after)
                    add(c_after, written, out=c_after)
                    tanh(c_after, out=squashed)
                    multiply(o, squashed, out=h_after)
                    h_before, c_before = h_after, c_after
        last = order.last(hidden), order.last(cell)
        return order.scatter(hidden[batch:]), last, (order, chunks, inputs, hidden, cell, activity, x.shape)

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
        """Propagate gradients back through time; as the generic kernel."""
        order, chunks, inputs, hidden, cell, activity, (batch, _, features) = saved
        units, dtype = w_h.shape[0], hidden.dtype
        upstream = None if dh is None else order.gather(dh)
        carried_h = self.carried(order, dh_last, batch, units, dtype)
        carried_c = self.carried(order, dc_last, batch, units, dtype)
        w_in_back = self.stacked(w_x, units, _GATES, transposed=True)
        w_state_back = self.stacked(w_h, units, _GATES, transposed=True)
        dx = self.empty((order.rows, features), dtype) if input_gradient else None
        dw = self.zeros((4, units + features + 1, units), dtype)  # w_h, w_x and b, one below the other

        largest = largest_chunk(chunks)
        slope_room = self.empty((5, largest, units), dtype)
        source_room = self.empty((largest, dw.shape[1]), dtype)
        dx_room = self.empty((4, largest, features), dtype)
        dw_part = self.empty(dw.shape, dtype)
        room = self.empty((4 * batch * units,), dtype)
        room_c = self.empty((batch, units), dtype)
        matmul, add, multiply, subtract, total = np.matmul, np.add, np.multiply, np.subtract, np.add.reduce
        for chunk in reversed(chunks):
            start, stop = chunk[0].first, chunk[-1].stop
            slopes, sources = slope_room[:, : stop - start], source_room[: stop - start]
            for run in reversed(chunk):
                rows = slice(run.first - start, run.stop - start)
                shape = (run.steps, run.number, units)
                sources[rows, :units] = run.before(hidden).reshape(-1, units)
                stacks = run.of(activity).reshape(run.steps, 5, run.number, units).swapaxes(0, 1)
                # Slopes of the loss's path through g, i, f (by c) and through o, c (by h).
                slope = slopes[:, rows].reshape(5, *shape)
                subtract(1, stacks[_SIGMOIDS], out=slope[_SIGMOIDS])
                multiply(slope[_SIGMOIDS], stacks[_SIGMOIDS], out=slope[_SIGMOIDS])
                multiply(slope[_OPENED], stacks[_SQUASHED], out=slope[_OPENED])
                multiply(slope[2], run.before(cell), out=slope[2])
                multiply(stacks[_SQUASHED], stacks[_SQUASHED], out=slope[_SQUASHED])
                subtract(1, slope[_SQUASHED], out=slope[_SQUASHED])
                multiply(slope[_SQUASHED], stacks[_OPENED], out=slope[_SQUASHED])

                dh_t, dc_t, dc_by_h = carried_h[: run.number], carried_c[: run.number], room_c[: run.number]
                product = room[: 4 * run.number * units].reshape(4, run.number, units)
                upstream_steps = repeat(None) if upstream is None else run.of(upstream)[::-1]
                for step, forget, dh_here in zip(
                    slope.swapaxes(0, 1)[::-1], stacks[2, ::-1], upstream_steps, strict=False
                ):
                    to_cell, to_output = step[_TO_CELL], step[3]  # turned into gradients in place
                    if dh_here is not None:
                        add(dh_t, dh_here, out=dh_t)
                    multiply(dh_t, step[4], out=dc_by_h)
                    multiply(dh_t, to_output, out=to_output)
                    add(dc_t, dc_by_h, out=dc_t)
                    multiply(dc_t, to_cell, out=to_cell)
                    multiply(dc_t, forget, out=dc_t)
                    matmul(step[:4], w_state_back, out=product)
                    total(product, axis=0, out=dh_t)
            da = slopes[:4]
            sources[:, units:] = inputs[start:stop]
            matmul(sources.T, da, out=dw_part)
            add(dw, dw_part, out=dw)
            if dx is not None:
                part = matmul(da, w_in_back, out=dx_room[:, : stop - start])
                total(part, axis=0, out=dx[start:stop])
        dw = self.side_by_side(dw, _GATES)
        dfirst = order.from_first(carried_h), order.from_first(carried_c)
        return dx if dx is None else order.scatter(dx), dw[units:-1], dw[:units], dw[-1], dfirst
