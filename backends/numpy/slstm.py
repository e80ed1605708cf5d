"""NumPy's kernels for the sLSTM: large products outside the time loop, whole blocks and no allocation inside it."""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import adding
from lamina.backends.numpy.gates import CHUNK_ROWS, NumPyGateKernels, largest_chunk
from lamina.backends.numpy.products import add_product
from lamina.backends.numpy.reading_order import reading_order
from lamina.backends.numpy.slstm_back import (
    slope_blocks,
    slopes_of,
    steps_and_first_back,
    steps_back,
    through_forget,
    weights_back,
)
from lamina.backends.numpy.slstm_steps import BLOCKS, GATES, gate_weights, linear_steps, scaled_steps, stacks_of

__all__ = ["NumPySLSTMKernels"]

_ORDER = np.array([2, 0, 1, 3])  # on the way back gates lie in the order z, i, f, o
_PLACES = np.argsort(_ORDER)
_LOG_2 = float(np.log(2))
# What stacks are multiplied by: of f and o there are exponentials of -a, and with one m for all steps powers of 2.
_SCALED = np.array([-1.0, -1.0, 1.0, 1.0])
_LINEAR = _SCALED / [_LOG_2, _LOG_2, _LOG_2, 1.0]
# Between these n keeps its digits, and what is divided by it does too.
_LEAST, _MOST = 1e-8, 1e8
# Where n begins above the first, and no average beyond the second, 1 - u has the digits that it needs.
_LEAST_FIRST, _MOST_FIRST = 0.25, 4.0


class Slabs(NamedTuple):
    """What a pass computes of each state (see `ReadingOrder`): h, the average c / n, and n over some exp(m)."""

    h: Array
    a: Array
    n: Array


class First(NamedTuple):
    """Of the first states: the derivative of n after the first step by n before, over n; n; and how many rows run."""

    by: Array
    n: Array
    running: int


class NumPySLSTMKernels(NumPyGateKernels):
    """The sLSTM over stacks of gates (see `NumPyGateKernels`) in reading order (see `ReadingOrder`).

    What n is divided by may be anything that keeps it within range: h, and every gradient, are the same. Where f is a
    sigmoid, n is hardly ever out of range of the first m for all steps, and then a step is as short as the LSTM's. A
    chunk's n is looked at after it; once it is out of range, this chunk and all later ones take steps with an m of
    their own. The last m is found afterwards either way.
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
        chunks = order.chunks(CHUNK_ROWS)
        runs = list(chain.from_iterable(chunks))
        alive = slice(0, runs[0].number if runs else 0)
        first = First(self.empty((batch, units), dtype), slabs.n[:batch], alive.stop)
        p = np.zeros((batch, units), dtype)  # the largest term of n, over what n is divided by
        fit = forget == "sigmoid"
        if n is not None:
            np.copyto(p, 1, where=first.n != 0)
            average = slabs.a[alive]
            np.divide(average, first.n[alive], out=average, where=first.n[alive] != 0)
            fit = fit and _fit(first.n[alive], average)
        activity = self.empty((order.rows, BLOCKS * units), dtype)
        room = self.empty((4 * batch * units,), dtype)
        linear = 0
        if fit:
            w_in, w_state = self._weights(w_x, w_h, b, batch, _LINEAR)
            shifted = m.any()
            for chunk in chunks:
                before = p.copy()
                with np.errstate(all="ignore"):  # what is out of range is seen below
                    for run in chunk:
                        stacks = stacks_of(run, activity)
                        np.matmul(run.of(inputs)[:, None], w_in, out=stacks)
                        if shifted:
                            stacks[:, 2] -= m[: run.number] / np.asarray(_LOG_2, dtype)
                        linear_steps(stacks, run, *slabs, p[: run.number], w_state, room)
                written = slabs.n[batch + chunk[0].first : batch + chunk[-1].stop]
                if not (written.min() > _LEAST and written.max() < _MOST):
                    p = before
                    break
                if not linear:  # f is over this
                    by = np.multiply(stacks_of(runs[0], activity)[0, 0], runs[0].after(slabs.n)[0], out=first.by[alive])
                    np.divide(1, by, out=by)
                linear = chunk[-1].stop
        kept = None if linear == order.rows else self.empty((order.rows, units), dtype)
        if kept is not None:
            w_in, w_state = self._weights(w_x, w_h, b, batch, _SCALED)
            for run in (run for run in runs if run.first >= linear):
                stacks = stacks_of(run, activity)
                np.matmul(run.of(inputs)[:, None], w_in, out=stacks)
                states, by = (p[: run.number], m[: run.number]), first.by[alive] if run.previous == 0 else None
                with np.errstate(over="ignore"):
                    scaled_steps(
                        stacks, run, *slabs, *states, w_state, room, run.of(kept), by, sigmoid=forget == "sigmoid"
                    )
        saved = order, chunks, linear, inputs, slabs, activity, kept, first, x.shape
        p[alive.stop :] = 1
        m += np.log(p)
        last_n = order.to_first(order.last(slabs.n)) / p
        last_c = order.to_first(order.last(slabs.a))
        last_c[alive] *= last_n[alive]
        last = order.last(slabs.h), order.from_first(last_c), order.from_first(last_n), order.from_first(m)
        return order.scatter(slabs.h[batch:]), last, (*saved, last_n)

    def _weights(self, w_x: Array, w_h: Array, b: Array | None, batch: int, by: Array) -> tuple[Array, Array]:
        """Return the weights of inputs, with the bias, and of h, as steps take them."""
        units, dtype = w_h.shape[0], w_h.dtype
        factors = by.astype(dtype)[:, None, None]
        w_in = self.weights_and_bias(w_x, b, units, GATES)
        w_state = self.stacked(w_h, units, GATES)
        for weights in (w_in, w_state):
            weights *= factors
        return w_in, gate_weights(w_state, batch)

    @adding
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
        order, chunks, linear, inputs, slabs, activity, kept, first, (batch, _, features), last_n = saved
        units, dtype = w_h.shape[0], w_h.dtype
        alive = slice(0, first.running)
        upstream = None if dh is None else order.gather(dh)
        carried = [self.carried(order, given, batch, units, dtype) for given in (dh_last, dc_last, dn_last)]
        scale = self.carried(order, dm_last, batch, units, dtype)
        through = None
        if not (dc_last is None and dn_last is None and dm_last is None):
            average = order.to_first(order.last(slabs.a))
            _of_last(average[alive], last_n[alive], carried[1][alive], carried[2][alive], scale[alive])
            through = through_forget(list(chain.from_iterable(chunks)), activity, kept, linear, first.n[alive])
        w_state_back = weights_back(self.transposed(self.stacked(w_h, units, _ORDER)), batch)
        dw = self.zeros((4, units + features + 1, units), dtype)  # w_h, w_x and b, one below the other

        largest = largest_chunk(chunks)
        slope_room = self.empty((4 * largest * units,), dtype)
        keep_room = self.empty((largest, units), dtype)
        source_room = self.empty((largest, dw.shape[1]), dtype)
        dw_room = self.empty(dw.shape, dtype)
        room = self.empty((4 * batch * units,), dtype)
        dx = None
        if input_gradient:
            w_in_back = self.transposed(self.stacked(w_x, units, _ORDER))
            dx, dx_room = self.empty((order.rows, features), dtype), self.empty((4, largest, features), dtype)
        for chunk in reversed(chunks):
            start, stop = chunk[0].first, chunk[-1].stop
            slopes = slope_blocks(slope_room[: 4 * (stop - start) * units], stop - start, batch)
            sources = source_room[: stop - start]
            for run in reversed(chunk):
                rows = slice(run.first - start, run.stop - start)
                sources[rows, :units] = run.before(slabs.h).reshape(-1, units)
                stacks, own = stacks_of(run, activity), slopes[:, rows].reshape(4, run.steps, run.number, units)
                keep = keep_room[rows].reshape(run.steps, run.number, units)
                own_kept = None if kept is None or run.first < linear else run.of(kept)
                slopes_of(stacks, run.after(slabs.h), run.before(slabs.a), own_kept, own, keep)
                here = carried[0][: run.number], carried[1][: run.number], carried[2][: run.number]
                passed = None if through is None else scale[: run.number]
                back = steps_and_first_back if run.previous == 0 else steps_back
                back(
                    own,
                    stacks,
                    keep,
                    None if upstream is None else run.of(upstream),
                    here,
                    w_state_back,
                    room,
                    passed,
                    None if through is None else run.of(through),
                )
            sources[:, units:] = inputs[start:stop]
            add_product(dw, sources, slopes, dw_room)
            if dx is not None:
                part = np.matmul(slopes, w_in_back, out=dx_room[:, : stop - start])
                np.add.reduce(part, axis=0, out=dx[start:stop])
        dw = self.side_by_side(dw, _PLACES)
        if chunks:
            dc, dn, by = carried[1][alive], carried[2][alive], first.by[alive]
            dn -= dc * chunks[0][0].after(slabs.a)[0]
            dn *= by
            dc *= by
            # c and n are divided by exp(m): to double both is as good as to add log 2 to m.
            scale[alive] += (dc * slabs.a[alive] + dn) * first.n[alive]
        dfirst = tuple(map(order.from_first, (*carried, scale)))
        return None if dx is None else order.scatter(dx), dw[units:-1], dw[:units], dw[-1], dfirst


def _fit(n: Array, average: Array) -> bool:
    """Tell whether the first n and averages leave all digits that there are to steps with one m."""
    if not n.any():
        return True
    fits = (n == 0) | ((n > _LEAST_FIRST) & (n < _MOST))
    return bool(fits.all() and (np.abs(average) < _MOST_FIRST).all())


def _of_last(average: Array, n: Array, dc: Array, dn: Array, dm: Array) -> None:
    """Turn gradients of c, n and m into those of the average, of log n, and of m where c exp(m) and n exp(m) stay."""
    dn += dc * average
    dn *= n
    dc *= n
    dm -= dn
