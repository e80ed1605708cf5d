"""NumPy's kernels for the sLSTM: large products outside the time loop, whole blocks and no allocation inside it."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.slstm import MOST
from lamina.backends.numpy.gates import CHUNK_ROWS, NumPyGateKernels, largest_chunk
from lamina.backends.numpy.products import add_product, in_blocks, in_pieces, weight_pieces
from lamina.backends.numpy.reading_order import ReadingOrder, Run, reading_order
from lamina.backends.numpy.slstm_steps import BLOCKS, EXPONENTS, SQUASHED, Slabs, slopes_of, steps_back

__all__ = ["NumPySLSTMKernels"]

_GATES = np.array([1, 0, 2, 3])  # f, i, z, o; in the parameters i, f, z, o
_PLACES = np.argsort(_GATES)


class NumPySLSTMKernels(NumPyGateKernels):
    """The sLSTM over stacks of gates (see `NumPyGateKernels`) in reading order (see `ReadingOrder`)."""

    def slstm_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        h: Array | None,
        c: Array | None,
        n: Array | None,
        m: Array | None,
        lengths: Array | None,
        *,
        forget: str = "sigmoid",
        reverse: bool = False,
    ) -> tuple[Array, tuple[Array, Array, Array, Array], Saved]:
        """Run the sLSTM over the time axis; as the generic kernel."""
        batch, time, _ = x.shape
        units, dtype = w_h.shape[0], x.dtype
        order = reading_order(batch, time, lengths, reverse)
        inputs = self.inputs_and_one(order, x)
        w_in = self.weights_and_bias(w_x, b, units, _GATES)
        w_state = self.stacked(w_h, units, _GATES)
        for weights in (w_in, w_state):  # of o, see `NumPyLSTMKernels`
            weights[3] *= np.asarray(0.5, dtype)
        w_state = weight_pieces(w_state, batch)

        slabs = Slabs(*(self.slab(order, state, batch, units, dtype) for state in (h, c, n, m)))
        activity = self.empty((order.rows, BLOCKS * units), dtype)
        room = self.empty((6 * batch * units,), dtype)
        room[4 * batch * units : 5 * batch * units] = 0.5
        room[5 * batch * units :] = 0
        chunks = order.chunks(CHUNK_ROWS)
        for chunk in chunks:
            for run in chunk:
                stacks = run.of(activity).reshape(run.steps, BLOCKS, run.number, units)
                np.matmul(run.of(inputs)[:, None], w_in, out=stacks[:, :4])
                self.run_slstm_steps(stacks, run, slabs, w_state, room, forget == "sigmoid")
        saved = order, chunks, inputs, slabs, activity, forget, x.shape
        last_h, last_c, last_n, last_m = map(order.last, slabs)
        return order.scatter(slabs.h[batch:]), (last_h, last_c, last_n, last_m), saved

    def run_slstm_steps(
        self, stacks: Array, run: Run, slabs: Slabs, w_state: Array, room: Array, sigmoid: bool
    ) -> None:
        """Run consecutive steps that read the same rows.

        Parameters
        ----------
        stacks : (steps, 6, rows, units)
            On entry x w_x + b of the gates f, i, z, o, half of it for o; on return f and i divided by what m says,
            z, o, c / n and, with ``sigmoid``, log f.
        run : Run
        slabs : Slabs
            Written.
        w_state : array
            w_h of the gates, half of it for o, as `weight_pieces` returns it.
        room : (6 batch units,)
            Its last two sixths are 1/2 and 0 (arrays, with which NumPy is quicker than with a number); the others are
            overwritten.
        sigmoid : bool
            Whether the forget gate is one; else it is exponential.
        """
        rows, units = stacks.shape[2:]
        half, zero = (part[: rows * units].reshape(rows, units) for part in room.reshape(6, -1)[4:])
        product = room[: 4 * rows * units].reshape(4, rows, units)
        pieces = in_pieces(product, w_state)
        written = product[0]  # free again once the product has been added
        matmul, add, subtract, multiply, exp, tanh = np.matmul, np.add, np.subtract, np.multiply, np.exp, np.tanh
        first, c_before, n_before, m_before = (run.first_before(slab) for slab in slabs)
        h_before = in_blocks(first, w_state)
        # Only before a row's first step there may be nothing to forget.
        empty = n_before == 0 if run.previous == 0 else None
        afters = [run.after(slab) for slab in slabs]
        for stack, h, c, n, m, left in zip(stacks, *afters, in_blocks(afters[0], w_state), strict=True):
            f, i, z, o, average, log_f = stack
            gates, exponents, squashed = stack[:4], stack[EXPONENTS], stack[SQUASHED]
            matmul(h_before, w_state, out=pieces)
            add(gates, product, out=gates)
            tanh(squashed, out=squashed)
            multiply(o, half, out=o)
            add(o, half, out=o)
            if sigmoid:  # log f = min(a, 0) - log(1 + exp(-|a|))
                np.absolute(f, out=written)
                np.negative(written, out=written)
                exp(written, out=written)
                np.log1p(written, out=written)
                np.minimum(f, zero, out=f)
                subtract(f, written, out=log_f)
                add(log_f, m_before, out=f)
            else:
                add(f, m_before, out=f)
            np.maximum(f, i, out=m)
            if empty is not None:
                np.copyto(m, i, where=empty)
            subtract(exponents, m, out=exponents)
            if empty is not None:
                np.minimum(f, np.asarray(MOST, f.dtype), out=f)
                empty = None
            exp(exponents, out=exponents)
            multiply(f, c_before, out=c)
            multiply(i, z, out=written)
            add(c, written, out=c)
            multiply(f, n_before, out=n)
            add(n, i, out=n)
            np.divide(c, n, out=average)
            multiply(o, average, out=h)
            h_before, c_before, n_before, m_before = left, c, n, m

    def slstm_backward(
        self,
        dh: Array | None,
        dh_last: Array | None,
        dc_last: Array | None,
        dn_last: Array | None,
        dm_last: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Array, Array, Array, tuple[Array, ...]]:
        """Propagate gradients back through time; as the generic kernel."""
        order, chunks, inputs, slabs, activity, forget, (batch, _, features) = saved
        units, dtype = w_h.shape[0], w_h.dtype
        upstream = None if dh is None else order.gather(dh)
        carried_h, carried_c, carried_n = (
            self.carried(order, last, batch, units, dtype) for last in (dh_last, dc_last, dn_last)
        )
        scale = None
        if not (dc_last is None and dn_last is None and dm_last is None):
            scale = self._of_scale(order, slabs, (carried_c, carried_n), dm_last)
        w_state_back = weight_pieces(self.transposed(self.stacked(w_h, units, _GATES)), batch)
        dw = self.zeros((4, units + features + 1, units), dtype)  # w_h, w_x and b, one below the other

        largest = largest_chunk(chunks)
        slope_room = self.empty((7 * largest * units,), dtype)
        source_room = self.empty((largest, dw.shape[1]), dtype)
        dw_room = self.empty(dw.shape, dtype)
        room = self.empty((4 * batch * units,), dtype)
        dx = None
        if input_gradient:
            w_in_back = self.transposed(self.stacked(w_x, units, _GATES))
            dx, dx_room = self.empty((order.rows, features), dtype), self.empty((4, largest, features), dtype)
        for chunk in reversed(chunks):
            start, stop = chunk[0].first, chunk[-1].stop
            slopes = slope_room[: 7 * (stop - start) * units].reshape(7, stop - start, units)
            sources = source_room[: stop - start]
            for run in reversed(chunk):
                rows = slice(run.first - start, run.stop - start)
                sources[rows, :units] = run.before(slabs.h).reshape(-1, units)
                stacks = run.of(activity).reshape(run.steps, BLOCKS, run.number, units)
                own = slopes[:, rows].reshape(7, run.steps, run.number, units)
                slope_f = slopes_of(stacks, run, slabs, forget == "sigmoid", own)
                carried = [each[: run.number] for each in (carried_h, carried_c, carried_n)]
                steps_upstream = None if upstream is None else run.of(upstream)
                own_scale = None if scale is None else scale[: run.number]
                steps_back(own, stacks, steps_upstream, carried, w_state_back, room, own_scale, slope_f)
            sources[:, units:] = inputs[start:stop]
            add_product(dw, sources, slopes[:4], dw_room)
            if dx is not None:
                part = np.matmul(slopes[:4], w_in_back, out=dx_room[:, : stop - start])
                np.add.reduce(part, axis=0, out=dx[start:stop])
        dw = self.side_by_side(dw, _PLACES)
        # c and n are divided by exp(m): to double both is as good as to add log 2 to m.
        carried_m = carried_c * slabs.c[:batch] + carried_n * slabs.n[:batch]
        if scale is not None:
            carried_m += scale
        first = tuple(map(order.from_first, (carried_h, carried_c, carried_n, carried_m)))
        return None if dx is None else order.scatter(dx), dw[units:-1], dw[:units], dw[-1], first

    def _of_scale(
        self, order: ReadingOrder, slabs: Slabs, carried: tuple[Array, Array], dm_last: Array | None
    ) -> Array:
        """Return the gradient of each row's last m if c exp(m) and n exp(m) were held as they are."""
        last_c, last_n = (order.to_first(order.last(slab)) for slab in (slabs.c, slabs.n))
        scale: Array = self.carried(order, dm_last, len(last_c), last_c.shape[1], last_c.dtype)
        scale -= carried[0] * last_c
        scale -= carried[1] * last_n
        return scale
