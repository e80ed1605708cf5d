"""NumPy's kernels for the sLSTM: large products outside the time loop, whole blocks and no allocation inside it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.numpy.gates import CHUNK_ROWS, NumPyGateKernels, largest_chunk
from lamina.backends.numpy.products import add_product
from lamina.backends.numpy.reading_order import ReadingOrder, Run, reading_order
from lamina.backends.numpy.slstm_back import slope_blocks, slopes_of, steps_back, through_forget, weights_back
from lamina.backends.numpy.slstm_steps import BLOCKS, GATES, gate_weights, linear_steps, peak, scaled_steps

__all__ = ["NumPySLSTMKernels"]

_ORDER = np.arange(4)  # on the way back gates lie as in the parameters: i, f, z, o


class Slabs(NamedTuple):
    """What a pass computes of each state (see `ReadingOrder`)."""

    h: Array
    c: Array
    n: Array


# Between these n keeps its digits, and what is divided by it does too.
_LEAST, _MOST = 1e-8, 1e8


class NumPySLSTMKernels(NumPyGateKernels):
    """The sLSTM over stacks of gates (see `NumPyGateKernels`) in reading order (see `ReadingOrder`).

    What c and n are divided by may be anything that keeps them within range: h, and every gradient, are the same. Where
    f is a sigmoid, n is hardly ever out of range of the first m for all steps, and then a step is as short as the
    LSTM's. A chunk's n is looked at after it; once it is out of range, this chunk and all later ones take steps with
    an m of their own. The last m is found afterwards either way.
    """

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
        slabs = Slabs(*(self.slab(order, state, batch, units, dtype) for state in (h, c, n)))
        m = self.carried(order, m, batch, units, dtype)
        # exp(m) as it must be in the end, over what c and n are divided by; 0 where there is nothing yet.
        peaks = (slabs.n[:batch] != 0).astype(dtype)
        activity = self.empty((order.rows, BLOCKS * units), dtype)
        room = self.empty((4 * batch * units,), dtype)

        def stacks(run: Run) -> Array:
            return run.of(activity).reshape(run.steps, BLOCKS, run.number, units)

        def project(run: Run, w_in: Array) -> None:
            np.matmul(run.of(inputs)[:, None], w_in, out=stacks(run)[:, :4])

        chunks = order.chunks(CHUNK_ROWS)
        linear = 0
        if forget == "sigmoid":
            w_in, w_state = self._weights(w_x, w_h, b, batch, slice(0, 2))
            shifted = bool(m.any())
            for chunk in chunks:
                with np.errstate(all="ignore"):  # what is out of range is seen below
                    for run in chunk:
                        project(run, w_in)
                        if shifted:
                            stacks(run)[:, 3] -= m[: run.number]
                        linear_steps(stacks(run), run, *slabs, w_state, room)
                written = slabs.n[batch + chunk[0].first : batch + chunk[-1].stop]
                if not (written.min() > _LEAST and written.max() < _MOST):
                    break
                for run in chunk:
                    peak(stacks(run)[:, 0], stacks(run)[:, 3], peaks[: run.number])
                linear += 1
        shift = logs = None
        if linear < len(chunks):
            w_in, w_state = self._weights(w_x, w_h, b, batch, slice(1, 2))
            alive = slice(0, chunks[linear][0].number)
            if linear:
                shift = -np.log(peaks[alive])
                m[alive] -= shift
            peaks[alive] = 1
            logs = self.empty((order.rows, units), dtype) if forget == "sigmoid" else None
        for chunk in chunks[linear:]:
            for run in chunk:
                project(run, w_in)
                own = None if logs is None else run.of(logs)
                scaled_steps(stacks(run), run, *slabs, m[: run.number], shift, w_state, room, own)
                shift = None
        peaks[peaks == 0] = 1
        m += np.log(peaks)
        by = order.from_first(peaks)
        last = order.last(slabs.h), order.last(slabs.c) / by, order.last(slabs.n) / by, order.from_first(m)
        saved = order, chunks, linear, inputs, slabs, activity, logs, peaks, forget, x.shape
        return order.scatter(slabs.h[batch:]), last, saved

    def _weights(self, w_x: Array, w_h: Array, b: Array | None, batch: int, halved: slice) -> tuple[Array, Array]:
        """Return the weights of inputs, with the bias, and of h, as steps take them; see `NumPyLSTMKernels`."""
        units = w_h.shape[0]
        w_in = self.weights_and_bias(w_x, b, units, GATES)
        w_state = self.stacked(w_h, units, GATES)
        for weights in (w_in, w_state):
            weights[halved] *= np.asarray(0.5, w_h.dtype)
        return w_in, gate_weights(w_state, batch)

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
        order, chunks, linear, inputs, slabs, activity, logs, peaks, forget, (batch, _, features) = saved
        units, dtype = w_h.shape[0], w_h.dtype
        upstream = None if dh is None else order.gather(dh)
        carried_h = self.carried(order, dh_last, batch, units, dtype)
        carried_c = self.carried(order, dc_last, batch, units, dtype) / peaks
        carried_n = self.carried(order, dn_last, batch, units, dtype) / -peaks  # the other way round
        scale = through = None
        if not (dc_last is None and dn_last is None and dm_last is None):
            scale = self._of_scale(order, slabs, (carried_c, carried_n), dm_last)
            through = through_forget(chunks, linear, activity, slabs.n[:batch])
        w_state_back = weights_back(self.transposed(self.stacked(w_h, units, _ORDER)), batch)
        dw = self.zeros((4, units + features + 1, units), dtype)  # w_h, w_x and b, one below the other

        largest = largest_chunk(chunks)
        slope_room = self.empty((4 * largest * units,), dtype)
        source_room = self.empty((largest, dw.shape[1]), dtype)
        dw_room = self.empty(dw.shape, dtype)
        room = self.empty((4 * batch * units,), dtype)
        dx = None
        if input_gradient:
            w_in_back = self.transposed(self.stacked(w_x, units, _ORDER))
            dx, dx_room = self.empty((order.rows, features), dtype), self.empty((4, largest, features), dtype)
        for number, chunk in reversed(list(enumerate(chunks))):
            start, stop = chunk[0].first, chunk[-1].stop
            slopes = slope_blocks(slope_room[: 4 * (stop - start) * units], stop - start, batch)
            sources = source_room[: stop - start]
            for run in reversed(chunk):
                rows = slice(run.first - start, run.stop - start)
                sources[rows, :units] = run.before(slabs.h).reshape(-1, units)
                stacks = run.of(activity).reshape(run.steps, BLOCKS, run.number, units)
                own = slopes[:, rows].reshape(4, run.steps, run.number, units)
                own_logs = None if logs is None or number < linear else run.of(logs)
                slope_f = slopes_of(
                    stacks, run.after(slabs.h), own_logs, forget == "sigmoid", own, keep=through is not None
                )
                steps_back(
                    own,
                    stacks,
                    (run.before(slabs.c), run.before(slabs.n)),
                    (run.after(slabs.h), run.after(slabs.n)),
                    None if upstream is None else run.of(upstream),
                    (carried_h[: run.number], carried_c[: run.number], carried_n[: run.number]),
                    w_state_back,
                    room,
                    None if scale is None else scale[: run.number],
                    None if through is None else (run.of(through), slope_f),
                )
            sources[:, units:] = inputs[start:stop]
            add_product(dw, sources, slopes, dw_room)
            if dx is not None:
                part = np.matmul(slopes, w_in_back, out=dx_room[:, : stop - start])
                np.add.reduce(part, axis=0, out=dx[start:stop])
        dw = self.side_by_side(dw, _ORDER)
        # c and n are divided by exp(m): to double both is as good as to add log 2 to m.
        carried_m = carried_c * slabs.c[:batch] - carried_n * slabs.n[:batch]
        if scale is not None:
            carried_m += scale
        first = tuple(map(order.from_first, (carried_h, carried_c, -carried_n, carried_m)))
        return None if dx is None else order.scatter(dx), dw[units:-1], dw[:units], dw[-1], first

    def _of_scale(
        self, order: ReadingOrder, slabs: Slabs, carried: tuple[Array, Array], dm_last: Array | None
    ) -> Array:
        """Return the gradient of each row's last m if c exp(m) and n exp(m) were held as they are."""
        last_c, last_n = (order.to_first(order.last(slab)) for slab in (slabs.c, slabs.n))
        scale: Array = self.carried(order, dm_last, len(last_c), last_c.shape[1], last_c.dtype)
        scale -= carried[0] * last_c
        scale += carried[1] * last_n
        return scale
