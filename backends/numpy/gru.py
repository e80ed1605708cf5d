"""NumPy's kernels for the GRU: large products outside the time loop, whole blocks and no allocation inside it."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Gradients, Saved
from lamina.backends.kernels import added
from lamina.backends.numpy.gates import CHUNK_ROWS, NumPyGateKernels, largest_chunk
from lamina.backends.numpy.products import add_product, in_blocks, in_pieces, joins_gates, weight_pieces
from lamina.backends.numpy.reading_order import reading_order

__all__ = ["NumPyGRUKernels"]

# Gates in a stack: r, z, n as in the parameters in the forward pass; n first in the backward pass, so that the
# gradients by x w_x (n, r, z) and those by h w_h (r, z, and r's product) each lie together.
_GATES = np.array([0, 1, 2])
_GATES_BACK = np.array([2, 0, 1])
_PLACES_BACK = np.argsort(_GATES_BACK)


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
        w_in = self.weights_and_bias(w_x, b, units, _GATES)
        w_state = self.stacked(w_h, units, _GATES)
        w_in[:2] *= half
        w_state[:2] *= half
        w_state = weight_pieces(w_state, batch)
        bias = self.empty((batch, units), dtype)  # a block of its own: a sum without broadcasting is faster
        bias[...] = 0 if b_h is None else b_h

        hidden = self.slab(order, state, batch, units, dtype)
        activity = self.empty((order.rows, 5 * units), dtype)  # step by step a stack of r, z, n, r's product, h - n
        room = self.empty((3 * batch * units,), dtype)
        chunks = order.chunks(CHUNK_ROWS)
        for chunk in chunks:
            for run in chunk:
                stacks = run.of(activity).reshape(run.steps, 5, run.number, units)
                np.matmul(run.of(inputs)[:, None], w_in, out=stacks[:, :3])
                self.run_gru_steps(
                    stacks, run.first_before(hidden), run.after(hidden), w_state, bias[: run.number], room, reset_after
                )
        saved = (order, chunks, inputs, hidden, activity, x.shape, reset_after)
        return order.scatter(hidden[batch:]), order.last(hidden), saved

    def run_gru_steps(
        self,
        stacks: Array,
        before: Array,
        after: Array,
        w_state: Array,
        bias: Array,
        room: Array,
        reset_after: bool,
    ) -> None:
        """Run consecutive steps that read the same rows.

        Parameters
        ----------
        stacks : (steps, 5, rows, units)
            On entry x w_x + b of the gates r, z, n, half of it for a sigmoid; on return r, z, n, what r is multiplied
            with or (without ``reset_after``) r times the state before, and the state before less n.
        before : (rows, units)
        after : (steps, rows, units)
            Written.
        w_state : array
            w_h of the gates, half of it for a sigmoid, as `weight_pieces` returns it.
        bias : (rows, units)
        room : array of 3 rows units elements or more
            Overwritten.
        """
        rows, units = before.shape
        half = np.asarray(0.5, stacks.dtype)
        product = room[: 3 * rows * units].reshape(3, rows, units)
        of_sigmoids, of_new = product[:2], product[2]
        pieces = in_pieces(product, w_state)
        first = 3 if reset_after else 2
        w_first, first_pieces, w_new, new_pieces = w_state[:first], pieces[:first], w_state[2], pieces[2]
        matmul, add, multiply, subtract, tanh = np.matmul, np.add, np.multiply, np.subtract, np.tanh
        left = in_blocks(before, w_state)
        for stack, new, next_left in zip(stacks, after, in_blocks(after, w_state), strict=True):
            sigmoids = stack[:2]
            r, z, n, reset, change = stack
            matmul(left, w_first, out=first_pieces)
            add(sigmoids, of_sigmoids, out=sigmoids)
            tanh(sigmoids, out=sigmoids)
            multiply(sigmoids, half, out=sigmoids)
            add(sigmoids, half, out=sigmoids)
            if reset_after:
                add(of_new, bias, out=reset)
                multiply(r, reset, out=of_new)
            else:
                multiply(r, before, out=reset)
                matmul(in_blocks(reset, w_new), w_new, out=new_pieces)
            add(n, of_new, out=n)
            tanh(n, out=n)
            subtract(before, n, out=change)
            multiply(z, change, out=new)
            add(n, new, out=new)
            before, left = new, next_left

    def gru_backward(
        self,
        dh: Array | None,
        dstate: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Array, Array, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        order, chunks, inputs, hidden, activity, (batch, _, features), reset_after = saved
        units, dtype = w_h.shape[0], hidden.dtype
        upstream = None if dh is None else order.gather(dh)
        carried = self.carried(order, dstate, batch, units, dtype)
        w_state_back = self.transposed(self.stacked(w_h, units, _GATES))
        joined = reset_after and joins_gates(batch, units)
        w_state_back = w_state_back.reshape(-1, units) if joined else weight_pieces(w_state_back, batch)
        dw_in = self.zeros((3, features + 1, units), dtype)
        dw_state = self.zeros((3, units, units), dtype)
        db_h = self.zeros((units,), dtype)

        largest = largest_chunk(chunks)
        slope_room = self.empty((4 * largest * units,), dtype)
        source_room, reset_room = self.empty((largest, units), dtype), self.empty((largest, units), dtype)
        dw_in_room, dw_state_room = self.empty(dw_in.shape, dtype), self.empty(dw_state.shape, dtype)
        room = self.empty((4 * batch * units,), dtype)
        dx = None
        if input_gradient:
            w_in_back = self.transposed(self.stacked(w_x, units, _GATES_BACK))
            dx, dx_room = self.empty((order.rows, features), dtype), self.empty((3, largest, features), dtype)
        for chunk in reversed(chunks):
            start, stop = chunk[0].first, chunk[-1].stop
            slopes = slope_room[: 4 * (stop - start) * units].reshape(4, stop - start, units)
            sources, resets = source_room[: stop - start], reset_room[: stop - start]
            for run in reversed(chunk):
                rows = slice(run.first - start, run.stop - start)
                sources[rows] = run.before(hidden).reshape(-1, units)
                stacks = run.of(activity).reshape(run.steps, 5, run.number, units)
                if not reset_after:
                    resets[rows] = stacks[:, 3].reshape(-1, units)
                steps_upstream = None if upstream is None else run.of(upstream)
                before, dh = sources[rows].reshape(run.steps, run.number, units), carried[: run.number]
                self.run_gru_steps_back(
                    stacks, before, steps_upstream, dh, w_state_back, slopes, rows.start, room, reset_after
                )
            if reset_after:
                add_product(dw_state, sources, slopes[1:], dw_state_room)
                db_h += np.add.reduce(slopes[3], axis=0)
            else:
                add_product(dw_state[:2], sources, slopes[1:3], dw_state_room[:2])
                add_product(dw_state[2:], resets, slopes[:1], dw_state_room[2:])
            add_product(dw_in, inputs[start:stop], slopes[:3], dw_in_room)
            if dx is not None:
                part = np.matmul(slopes[:3], w_in_back, out=dx_room[:, : stop - start])
                np.add.reduce(part, axis=0, out=dx[start:stop])
        dw = self.side_by_side(dw_in, _PLACES_BACK)
        dw_h = self.side_by_side(dw_state, _GATES)
        dx = dx if dx is None else order.scatter(dx)
        return dx, *added(gradients, (dw[:-1], dw_h, dw[-1], db_h)), order.from_first(carried)

    def run_gru_steps_back(
        self,
        stacks: Array,
        before: Array,
        upstream: Array | None,
        dh: Array,
        w_state_back: Array,
        slopes: Array,
        first: int,
        room: Array,
        reset_after: bool,
    ) -> None:
        """Propagate gradients back through the steps of `run_gru_steps`.

        Parameters
        ----------
        stacks : (steps, 5, rows, units)
            As `run_gru_steps` returned them.
        before : (steps, rows, units)
            Each step's state before it.
        upstream : (steps, rows, units) or None
            The outputs' gradient.
        dh : (rows, units)
            The last state's gradient; on return that of the first one.
        w_state_back : array
            w_h of the gates transposed, as `weight_pieces` returns it, or where gates are joined (3 units, units).
        slopes : (4, rows of a chunk, units)
            From row ``first`` on, written: the gradients of what the gates n, r, z squash and (``reset_after``) of
            what r is multiplied with.
        room : array of 4 rows units elements or more
            Overwritten.
        """
        steps, _, rows, units = stacks.shape
        matmul, add, multiply, subtract = np.matmul, np.add, np.multiply, np.subtract
        # Slopes of the loss's path from h to n, r, z and (reset_after) r's product, of all steps.
        slope = slopes[:, first : first + steps * rows].reshape(4, steps, rows, units)
        by_new, by_reset, by_update, by_product = slope
        r, z, n, reset, change = gates = stacks.swapaxes(0, 1)
        subtract(1, gates[:2], out=slope[1:3])
        multiply(n, n, out=by_new)
        subtract(1, by_new, out=by_new)
        multiply(by_new, by_update, out=by_new)
        multiply(slope[1:3], gates[:2], out=slope[1:3])
        multiply(by_update, change, out=by_update)
        if reset_after:
            multiply(by_reset, reset, out=by_reset)
            multiply(by_reset, by_new, out=by_reset)
            multiply(by_new, r, out=by_product)
        else:
            multiply(by_reset, before, out=by_reset)

        product = room[: 4 * rows * units].reshape(4, rows, units)
        through_new, kept = product[2], product[3]
        joined = w_state_back.ndim == 2
        if joined:
            beside, dot = product[:3].reshape(rows, 3 * units), np.ndarray.dot
            each_gate = beside.reshape(rows, 3, units).swapaxes(0, 1)
        else:
            pieces = in_pieces(product[:3], w_state_back)
        for t in range(steps - 1, -1, -1):
            step = slope[:, t]  # turned into gradients in place
            if upstream is not None:
                add(dh, upstream[t], out=dh)
            multiply(dh, z[t], out=kept)
            if joined:
                multiply(dh, step, out=step)
                each_gate[...] = step[1:]
                dot(beside, w_state_back, dh)
                add(dh, kept, out=dh)
                continue
            if reset_after:
                multiply(dh, step, out=step)
                matmul(in_blocks(step[1:], w_state_back), w_state_back, out=pieces)
            else:
                multiply(dh, step[::2], out=step[::2])  # n and z
                matmul(in_blocks(step[0], w_state_back), w_state_back[2], out=pieces[2])
                multiply(through_new, step[1], out=step[1])
                multiply(through_new, r[t], out=through_new)
                matmul(in_blocks(step[1:3], w_state_back), w_state_back[:2], out=pieces[:2])
            add(product[:2], product[2:], out=product[:2])  # in pairs: quicker than a reduction
            add(product[0], product[1], out=dh)
