"""NumPy's kernels for the LSTM: large products, whole blocks, and no allocation inside the time loop."""

from __future__ import annotations

from itertools import repeat

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.numpy_gates import CHUNK_ROWS, NumPyGateKernels, largest_chunk
from lamina.backends.reading_order import reading_order

__all__ = ["NumPyLSTMKernels"]

# The kernels' order of gates is g, i, f, o (the parameters': i, f, g, o), and tanh c follows as the fifth. So
# what is treated alike lies together or at equal distances:
_GATES, _STORED = (2, 0, 1, 3), (1, 2, 0, 3)
_SIGMOIDS = slice(1, 4)  # i, f, o
_SQUASHED = slice(0, 5, 4)  # g, tanh c: the two that are a tanh ...
_OPENED = slice(1, 4, 2)  # i, o: ... and the gates that open for them
_TO_CELL = slice(0, 3)  # g, i, f: what reaches the loss through c

# BLAS libraries have quick ways for small matrices: up to about this many multiplications in a step, a product
# for each gate, straight to its place, is faster than one for all of them.
_SMALL = 1_000_000


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
        sources = self.sources(order, x, units)  # h before, x, 1: one product with w_h, w_x and b for them all
        w = self.empty((sources.shape[1], 4 * units), dtype)
        w[:units], w[units:-1], w[-1] = w_h, w_x, 0 if b is None else b
        # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2: with halved weights one tanh serves all gates.
        half = np.asarray(0.5, dtype)
        w = self.reordered(w, units, _GATES)
        w[:, _SIGMOIDS] *= half
        small = batch * w.size <= _SMALL
        w = np.ascontiguousarray(w.swapaxes(0, 1)) if small else w.reshape(-1, 4 * units)

        hidden, cell = (self.slab(order, state, batch, units, dtype) for state in (h, c))
        activity = self.empty((order.rows, 5 * units), dtype)  # for each step a stack: g, i, f, o, tanh c
        room, room_c = self.empty((batch, 4 * units), dtype), self.empty((batch, units), dtype)
        chunks = order.chunks(CHUNK_ROWS)
        matmul, add, multiply, tanh, copyto = np.matmul, np.add, np.multiply, np.tanh, np.copyto
        for run in (run for chunk in chunks for run in chunk):
            stacks = run.of(activity).reshape(run.steps, 5, run.number, units)
            product, written = room[: run.number], room_c[: run.number]
            product_stack = product.reshape(run.number, 4, units).swapaxes(0, 1)
            h_before, c_before = run.first_before(hidden), run.first_before(cell)
            steps = zip(stacks, run.of(sources), run.after(hidden), run.after(cell), strict=True)
            for stack, source, h_after, c_after in steps:
                gates, sigmoids = stack[:4], stack[_SIGMOIDS]
                g, i, f, o, squashed = stack
                copyto(source[:, :units], h_before)
                if small:
                    matmul(source, w, out=gates)
                    tanh(gates, out=gates)
                else:
                    matmul(source, w, out=product)
                    tanh(product_stack, out=gates)
                multiply(sigmoids, half, out=sigmoids)
                add(sigmoids, half, out=sigmoids)
                multiply(i, g, out=written)
                multiply(f, c_before, out=c_after)
                add(c_after, written, out=c_after)
                tanh(c_after, out=squashed)
                multiply(o, squashed, out=h_after)
                h_before, c_before = h_after, c_after
        last = order.last(hidden), order.last(cell)
        return order.scatter(hidden[batch:]), last, (order, chunks, sources, cell, activity, batch)

    def lstm_backward(
        self, dh: Array | None, dh_last: Array | None, dc_last: Array | None, saved: Saved, w_x: Array, w_h: Array
    ) -> tuple[Array, Array, Array, Array, tuple[Array, Array]]:
        """Propagate gradients back through time; as the generic kernel."""
        order, chunks, sources, cell, activity, batch = saved
        units, dtype = w_h.shape[0], cell.dtype
        upstream = None if dh is None else order.gather(dh)
        carried_h, carried_c = (self.carried(order, last, batch, units, dtype) for last in (dh_last, dc_last))
        w_x_back, w_h_back = (
            np.ascontiguousarray(self.reordered(w, units, _GATES).reshape(-1, 4 * units).T) for w in (w_x, w_h)
        )
        c_before = order.before(cell)
        dx = self.empty((order.rows, w_x.shape[0]), dtype)
        dw = self.zeros((sources.shape[1], 4 * units), dtype)  # w_h, w_x and b, one below the other

        largest = largest_chunk(chunks)
        slope_room = self.empty((5, largest, units), dtype)
        da_room = self.empty((largest, 4 * units), dtype)
        dw_part = self.empty(dw.shape, dtype)
        room_c = self.empty((batch, units), dtype)
        # np.dot is np.matmul with less ado
        dot, add, multiply, subtract = np.dot, np.add, np.multiply, np.subtract
        for chunk in reversed(chunks):
            start, stop = chunk[0].first, chunk[-1].stop
            da_chunk = da_room[: stop - start]
            for run in reversed(chunk):
                rows = slice(run.first - start, run.stop - start)
                stacks = run.of(activity).reshape(run.steps, 5, run.number, units).swapaxes(0, 1)
                # By a gate's slope we mean the gate's gradient over the gradient of c (g, i, f) or of h (o); the
                # fifth is that of c over that of h.
                slopes = slope_room[:, rows].reshape(5, run.steps, run.number, units)
                subtract(1, stacks[_SIGMOIDS], out=slopes[_SIGMOIDS])
                multiply(slopes[_SIGMOIDS], stacks[_SIGMOIDS], out=slopes[_SIGMOIDS])
                multiply(slopes[_OPENED], stacks[_SQUASHED], out=slopes[_OPENED])
                multiply(slopes[2], run.of(c_before), out=slopes[2])
                multiply(stacks[_SQUASHED], stacks[_SQUASHED], out=slopes[_SQUASHED])
                subtract(1, slopes[_SQUASHED], out=slopes[_SQUASHED])
                multiply(slopes[_SQUASHED], stacks[_OPENED], out=slopes[_SQUASHED])

                da_run = da_chunk[rows].reshape(run.steps, run.number, 4 * units)
                da_stacks = da_run.reshape(run.steps, run.number, 4, units).swapaxes(1, 2)
                dh_t, dc_t, through_h = carried_h[: run.number], carried_c[: run.number], room_c[: run.number]
                dh_run = repeat(None, run.steps) if upstream is None else run.of(upstream)[::-1]
                forget = stacks[2]
                backwards = zip(
                    slopes.swapaxes(0, 1)[::-1], forget[::-1], da_run[::-1], da_stacks[::-1], dh_run, strict=True
                )
                for slope, f, da, da_stack, dh_here in backwards:
                    if dh_here is not None:
                        add(dh_t, dh_here, out=dh_t)
                    multiply(dh_t, slope[3], out=da_stack[3])
                    multiply(dh_t, slope[4], out=through_h)
                    add(dc_t, through_h, out=dc_t)
                    multiply(dc_t, slope[_TO_CELL], out=da_stack[_TO_CELL])
                    multiply(dc_t, f, out=dc_t)
                    dot(da, w_h_back, out=dh_t)
            dot(sources[start:stop].T, da_chunk, out=dw_part)
            add(dw, dw_part, out=dw)
            dot(da_chunk, w_x_back, out=dx[start:stop])
        dw = self.reordered(dw, units, _STORED).reshape(dw.shape)
        dfirst = order.from_first(carried_h), order.from_first(carried_c)
        return order.scatter(dx), dw[units:-1], dw[:units], dw[-1], dfirst
