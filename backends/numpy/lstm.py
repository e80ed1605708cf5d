"""NumPy's kernels for the LSTM: large products outside the time loop, whole blocks and no allocation inside it."""

from __future__ import annotations

from itertools import repeat

import numpy as np

from lamina.backends.arrays import Array, Gradients, Saved
from lamina.backends.kernels import added
from lamina.backends.numpy.gates import CHUNK_ROWS, NumPyGateKernels, largest_chunk
from lamina.backends.numpy.products import add_product, in_blocks, in_pieces, joins_gates, weight_pieces
from lamina.backends.numpy.reading_order import reading_order

__all__ = ["NumPyLSTMKernels"]

# A stack's gates are g, i, f, o (in the parameters: i, f, g, o). In the forward pass tanh c follows as the fifth,
# so that these lie together or at equal distances:
_GATES = np.array([2, 0, 1, 3])
_PLACES = np.argsort(_GATES)
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
        w_in = self.weights_and_bias(w_x, b, units, _GATES)
        w_state = self.stacked(w_h, units, _GATES)
        w_in[_SIGMOIDS] *= half
        w_state[_SIGMOIDS] *= half
        w_state = weight_pieces(w_state, batch)

        hidden, cell = (self.slab(order, state, batch, units, dtype) for state in (h, c))
        activity = self.empty((order.rows, 5 * units), dtype)  # step by step a stack of g, i, f, o, tanh c
        room = self.empty((4 * batch * units,), dtype)
        chunks = order.chunks(CHUNK_ROWS)
        for chunk in chunks:
            for run in chunk:
                stacks = run.of(activity).reshape(run.steps, 5, run.number, units)
                np.matmul(run.of(inputs)[:, None], w_in, out=stacks[:, :4])
                before = run.first_before(hidden), run.first_before(cell)
                self.run_lstm_steps(stacks, before, (run.after(hidden), run.after(cell)), w_state, room)
        last = order.last(hidden), order.last(cell)
        return order.scatter(hidden[batch:]), last, (order, chunks, inputs, hidden, cell, activity, x.shape)

    def run_lstm_steps(
        self, stacks: Array, before: tuple[Array, Array], after: tuple[Array, Array], w_state: Array, room: Array
    ) -> None:
        """Run consecutive steps that read the same rows.

        Parameters
        ----------
        stacks : (steps, 5, rows, units)
            On entry x w_x + b of the gates g, i, f, o, half of it for a sigmoid; on return g, i, f, o, tanh c.
        before : h and c, (rows, units) each
        after : h and c, (steps, rows, units) each
            Written.
        w_state : array
            w_h of the gates, half of it for a sigmoid, as `weight_pieces` returns it.
        room : array of 4 rows units elements or more
            Overwritten.
        """
        rows, units = stacks.shape[2:]
        half = np.asarray(0.5, stacks.dtype)
        product = room[: 4 * rows * units].reshape(4, rows, units)
        pieces = in_pieces(product, w_state)
        written = product[0]  # free again once the product has been added
        matmul, add, multiply, tanh = np.matmul, np.add, np.multiply, np.tanh
        h_before, c_before = in_blocks(before[0], w_state), before[1]
        lefts = in_blocks(after[0], w_state)
        for stack, h_after, c_after, left in zip(stacks, *after, lefts, strict=True):
            gates, sigmoids = stack[:4], stack[_SIGMOIDS]
            g, i, f, o, squashed = stack
            matmul(h_before, w_state, out=pieces)
            add(gates, product, out=gates)
            tanh(gates, out=gates)
            multiply(sigmoids, half, out=sigmoids)
            add(sigmoids, half, out=sigmoids)
            multiply(i, g, out=written)
            multiply(f, c_before, out=c_after)
            add(c_after, written, out=c_after)
            tanh(c_after, out=squashed)
            multiply(o, squashed, out=h_after)
            h_before, c_before = left, c_after

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
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Array, Array, Array, tuple[Array, Array]]:
        """Propagate gradients back through time; as the generic kernel."""
        order, chunks, inputs, hidden, cell, activity, (batch, _, features) = saved
        units, dtype = w_h.shape[0], hidden.dtype
        upstream = None if dh is None else order.gather(dh)
        carried_h = self.carried(order, dh_last, batch, units, dtype)
        carried_c = self.carried(order, dc_last, batch, units, dtype)
        w_state_back = self.transposed(self.stacked(w_h, units, _GATES))
        joined = joins_gates(batch, units)
        w_state_back = w_state_back.reshape(-1, units) if joined else weight_pieces(w_state_back, batch)
        dw = self.zeros((4, units + features + 1, units), dtype)  # w_h, w_x and b, one below the other

        largest = largest_chunk(chunks)
        slope_room = self.empty((5 * largest * units,), dtype)
        source_room = self.empty((largest, dw.shape[1]), dtype)
        dw_room = self.empty(dw.shape, dtype)
        room = self.empty((4 * batch * units,), dtype)
        dx = None
        if input_gradient:
            w_in_back = self.transposed(self.stacked(w_x, units, _GATES))
            dx, dx_room = self.empty((order.rows, features), dtype), self.empty((4, largest, features), dtype)
        for chunk in reversed(chunks):
            start, stop = chunk[0].first, chunk[-1].stop
            slopes = slope_room[: 5 * (stop - start) * units].reshape(5, stop - start, units)
            sources = source_room[: stop - start]
            for run in reversed(chunk):
                rows = slice(run.first - start, run.stop - start)
                sources[rows, :units] = run.before(hidden).reshape(-1, units)
                stacks = run.of(activity).reshape(run.steps, 5, run.number, units)
                steps_upstream = None if upstream is None else run.of(upstream)
                carried = carried_h[: run.number], carried_c[: run.number]
                self.run_lstm_steps_back(
                    stacks, run.before(cell), steps_upstream, carried, w_state_back, slopes, rows.start, room
                )
            da = slopes[:4]
            sources[:, units:] = inputs[start:stop]
            add_product(dw, sources, da, dw_room)
            if dx is not None:
                part = np.matmul(da, w_in_back, out=dx_room[:, : stop - start])
                np.add.reduce(part, axis=0, out=dx[start:stop])
        dw = self.side_by_side(dw, _PLACES)
        dfirst = order.from_first(carried_h), order.from_first(carried_c)
        dx = dx if dx is None else order.scatter(dx)
        return dx, *added(gradients, (dw[units:-1], dw[:units], dw[-1])), dfirst

    def run_lstm_steps_back(
        self,
        stacks: Array,
        c_before: Array,
        upstream: Array | None,
        carried: tuple[Array, Array],
        w_state_back: Array,
        slopes: Array,
        first: int,
        room: Array,
    ) -> None:
        """Propagate gradients back through the steps of `run_lstm_steps`.

        Parameters
        ----------
        stacks : (steps, 5, rows, units)
            As `run_lstm_steps` returned them.
        c_before : (steps, rows, units)
            Each step's c before it.
        upstream : (steps, rows, units) or None
            The outputs' gradient.
        carried : dh and dc, (rows, units) each
            The last states' gradients; on return those of the first ones.
        w_state_back : array
            w_h of the gates transposed, as `weight_pieces` returns it, or where gates are joined (4 units, units).
        slopes : (5, rows of a chunk, units)
            From row ``first`` on, the gradients of what the gates g, i, f, o squash are written into the first four.
        room : array of 4 rows units elements or more
            Overwritten.
        """
        steps, _, rows, units = stacks.shape
        matmul, add, multiply, subtract = np.matmul, np.add, np.multiply, np.subtract
        # Slopes of the loss's path through g, i, f (by c) and through o, c (by h), of all steps.
        slope = slopes[:, first : first + steps * rows].reshape(5, steps, rows, units)
        gates = stacks.swapaxes(0, 1)
        subtract(1, gates[_SIGMOIDS], out=slope[_SIGMOIDS])
        multiply(slope[_SIGMOIDS], gates[_SIGMOIDS], out=slope[_SIGMOIDS])
        multiply(slope[_OPENED], gates[_SQUASHED], out=slope[_OPENED])
        multiply(slope[2], c_before, out=slope[2])
        multiply(gates[_SQUASHED], gates[_SQUASHED], out=slope[_SQUASHED])
        subtract(1, slope[_SQUASHED], out=slope[_SQUASHED])
        multiply(slope[_SQUASHED], gates[_OPENED], out=slope[_SQUASHED])

        dh, dc = carried
        product = room[: 4 * rows * units].reshape(4, rows, units)
        dc_by_h, left_gates = product[0], slope[:4].swapaxes(0, 1)
        joined = w_state_back.ndim == 2
        if joined:
            beside = product.reshape(rows, 4 * units)
            each_gate, lefts, dot = beside.reshape(rows, 4, units).swapaxes(0, 1), left_gates, np.ndarray.dot
        else:
            pieces, lefts = in_pieces(product, w_state_back), in_blocks(left_gates, w_state_back)
        upstream_steps = repeat(None) if upstream is None else upstream[::-1]
        each = zip(slope.swapaxes(0, 1)[::-1], lefts[::-1], gates[2, ::-1], upstream_steps, strict=False)
        for step, left, forget, dh_here in each:
            to_cell, to_output = step[_TO_CELL], step[3]  # turned into gradients in place
            if dh_here is not None:
                add(dh, dh_here, out=dh)
            multiply(dh, step[4], out=dc_by_h)
            multiply(dh, to_output, out=to_output)
            add(dc, dc_by_h, out=dc)
            multiply(dc, to_cell, out=to_cell)
            multiply(dc, forget, out=dc)
            if joined:
                each_gate[...] = left
                dot(beside, w_state_back, dh)
                continue
            matmul(left, w_state_back, out=pieces)
            add(product[:2], product[2:], out=product[:2])  # in pairs: quicker than a reduction
            add(product[0], product[1], out=dh)
