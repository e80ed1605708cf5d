"""NumPy's kernels for the GRU: large products, whole blocks, and no allocation inside the time loop."""

from __future__ import annotations

from itertools import repeat

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.numpy_gates import CHUNK_ROWS, NumPyGateKernels, largest_chunk
from lamina.backends.reading_order import reading_order

__all__ = ["NumPyGRUKernels"]

_GATES = (0, 1, 2)  # r, z, n


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
        sources = self.sources(order, x, 0)  # x, 1: one product with w_x and b for them both
        w_source = self.empty((sources.shape[1], 3 * units), dtype)
        w_source[:-1], w_source[-1] = w_x, 0 if b is None else b
        # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2: with halved weights one tanh serves both of them.
        half = np.asarray(0.5, dtype)
        w_source, w_state = (
            np.ascontiguousarray(self.reordered(w, units, _GATES).swapaxes(0, 1)) for w in (w_source, w_h)
        )
        w_source[:2] *= half
        w_state[:2] *= half
        w_first = w_state if reset_after else w_state[:2]
        bias = self.empty((batch, units), dtype)  # for every row, as a sum of equal shapes is faster
        bias[...] = 0 if b_h is None else b_h

        hidden = self.slab(order, state, batch, units, dtype)
        activity = self.empty((order.rows, 5 * units), dtype)  # for each step a stack: r, z, n, what r meets, h - n
        room = self.empty((3 * batch * units,), dtype)
        chunks = order.chunks(CHUNK_ROWS)
        matmul, add, multiply, subtract, tanh = np.matmul, np.add, np.multiply, np.subtract, np.tanh
        for run in (run for chunk in chunks for run in chunk):
            stacks = run.of(activity).reshape(run.steps, 5, run.number, units)
            matmul(run.of(sources)[:, None], w_source, out=stacks[:, :3])
            product = room[: 3 * run.number * units].reshape(3, run.number, units)
            to_sigmoids, to_new, to_first, b_new = product[:2], product[2], product[: len(w_first)], bias[: run.number]
            before = run.first_before(hidden)
            for stack, after in zip(stacks, run.after(hidden), strict=True):
                sigmoids = stack[:2]
                r, z, n, reset, change = stack
                matmul(before, w_first, out=to_first)
                add(sigmoids, to_sigmoids, out=sigmoids)
                tanh(sigmoids, out=sigmoids)
                multiply(sigmoids, half, out=sigmoids)
                add(sigmoids, half, out=sigmoids)
                if reset_after:
                    add(to_new, b_new, out=reset)
                    multiply(r, reset, out=to_new)
                else:
                    multiply(r, before, out=reset)
                    matmul(reset, w_state[2], out=to_new)
                add(n, to_new, out=n)
                tanh(n, out=n)
                subtract(before, n, out=change)
                multiply(z, change, out=after)
                add(after, n, out=after)
                before = after
        saved = (order, chunks, sources, hidden, activity, batch, reset_after)
        return order.scatter(hidden[batch:]), order.last(hidden), saved

    def gru_backward(
        self, dh: Array | None, dstate: Array | None, saved: Saved, w_x: Array, w_h: Array
    ) -> tuple[Array, Array, Array, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        order, chunks, sources, hidden, activity, batch, reset_after = saved
        units, dtype = w_h.shape[0], hidden.dtype
        upstream = None if dh is None else order.gather(dh)
        carried = self.carried(order, dstate, batch, units, dtype)
        before = order.before(hidden)
        # Gradients lie side by side as n, r, z and, with reset_after, n's by h w_h: what goes back to x comes
        # first, what goes back to h last.
        to_x, to_h = slice(0, 3 * units), slice(units, 4 * units)
        w_x_back = np.ascontiguousarray(self.reordered(w_x, units, (2, 0, 1)).reshape(-1, 3 * units).T)
        w_h_back = np.ascontiguousarray(w_h.T)
        w_gates_back, w_new_back = w_h_back[: 2 * units], w_h_back[2 * units :]
        dx = self.empty((order.rows, w_x.shape[0]), dtype)
        dw_source, dw_state = self.zeros((sources.shape[1], 3 * units), dtype), self.zeros(w_h.shape, dtype)
        db_h = self.zeros((units,), dtype)

        largest = largest_chunk(chunks)
        slope_room = self.empty((4, largest, units), dtype)
        da_room = self.empty((largest, 4 * units), dtype)
        reset_room = self.empty((largest, units), dtype)
        source_part, state_part = self.empty(dw_source.shape, dtype), self.empty(dw_state.shape, dtype)
        room = self.empty((2, batch, units), dtype)
        matmul, add, multiply, subtract = np.matmul, np.add, np.multiply, np.subtract
        for chunk in reversed(chunks):
            start, stop = chunk[0].first, chunk[-1].stop
            da_chunk, resets = da_room[: stop - start], reset_room[: stop - start]
            for run in reversed(chunk):
                rows = slice(run.first - start, run.stop - start)
                stacks = run.of(activity).reshape(run.steps, 5, run.number, units).swapaxes(0, 1)
                r, z, n, reset, change = stacks
                # A slope is a gradient in da over the gradient of h; for r without reset_after, over that of what
                # r meets.
                slopes = slope_room[:, rows].reshape(4, run.steps, run.number, units)
                subtract(1, stacks[:2], out=slopes[1:3])
                multiply(n, n, out=slopes[0])
                subtract(1, slopes[0], out=slopes[0])
                multiply(slopes[0], slopes[2], out=slopes[0])
                multiply(slopes[1:3], stacks[:2], out=slopes[1:3])
                multiply(slopes[2], change, out=slopes[2])
                if reset_after:
                    multiply(slopes[1], reset, out=slopes[1])
                    multiply(slopes[1], slopes[0], out=slopes[1])
                    multiply(slopes[0], r, out=slopes[3])
                else:
                    multiply(slopes[1], run.of(before), out=slopes[1])
                    resets[rows] = reset.reshape(-1, units)

                da_run = da_chunk[rows].reshape(run.steps, run.number, 4 * units)
                da_stacks = da_run.reshape(run.steps, run.number, 4, units).swapaxes(1, 2)
                dh_t, kept, through_new = carried[: run.number], room[0, : run.number], room[1, : run.number]
                dh_run = repeat(None, run.steps) if upstream is None else run.of(upstream)[::-1]
                backwards = zip(
                    slopes.swapaxes(0, 1)[::-1], r[::-1], z[::-1], da_run[::-1], da_stacks[::-1], dh_run, strict=True
                )
                for slope, r_t, z_t, da, da_stack, dh_here in backwards:
                    if dh_here is not None:
                        add(dh_t, dh_here, out=dh_t)
                    multiply(dh_t, z_t, out=kept)
                    if reset_after:
                        multiply(dh_t, slope, out=da_stack)
                        matmul(da[:, to_h], w_h_back, out=dh_t)
                    else:
                        multiply(dh_t, slope[:3:2], out=da_stack[:3:2])  # n, z
                        matmul(da[:, :units], w_new_back, out=through_new)
                        multiply(through_new, slope[1], out=da_stack[1])
                        multiply(through_new, r_t, out=through_new)
                        add(kept, through_new, out=kept)
                        matmul(da[:, units : 3 * units], w_gates_back, out=dh_t)
                    add(dh_t, kept, out=dh_t)
            if reset_after:
                matmul(before[start:stop].T, da_chunk[:, to_h], out=state_part)
                db_h += da_chunk[:, 3 * units :].sum(axis=0)
            else:
                matmul(before[start:stop].T, da_chunk[:, units : 3 * units], out=state_part[:, : 2 * units])
                matmul(resets.T, da_chunk[:, :units], out=state_part[:, 2 * units :])
            add(dw_state, state_part, out=dw_state)
            matmul(sources[start:stop].T, da_chunk[:, to_x], out=source_part)
            add(dw_source, source_part, out=dw_source)
            matmul(da_chunk[:, to_x], w_x_back, out=dx[start:stop])
        dw = self.reordered(dw_source, units, (1, 2, 0)).reshape(dw_source.shape)
        return order.scatter(dx), dw[:-1], dw_state, dw[-1], db_h, order.from_first(carried)
