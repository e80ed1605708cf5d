"""NumPy's kernels for the linear recurrent unit: complex numbers inside, products outside the time loop."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import adding
from lamina.backends.numpy.gates import NumPyGateKernels
from lamina.backends.numpy.linear_scan import scan_back, scan_runs
from lamina.backends.numpy.reading_order import ReadingOrder, Run, reading_order

__all__ = ["NumPyLRUKernels"]

# Numbers of a chunk's states.
_STATES = 2**17


class NumPyLRUKernels(NumPyGateKernels):
    """The linear recurrent unit over rows in reading order (see `ReadingOrder`).

    Real and imaginary parts lie in turn, so that two floats are NumPy's complex number: a step is two calls.
    """

    def lru_forward(
        self,
        x: Array,
        eigenvalues: Array,
        w_b: Array,
        w_c: Array,
        w_d: Array,
        y: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, tuple[Array, Array], Saved]:
        """Run s_t = l s_{t-1} + g (x_t w_b), y_t = s_t w_c + x_t w_d over the time axis; as the generic kernel."""
        batch, time, _ = x.shape
        order = reading_order(batch, time, lengths, reverse)
        inputs = order.gather(x)
        turn, gain, _ = _eigenvalues(eigenvalues)
        into = _in_turn(w_b) * np.repeat(gain, 2)
        slab = self.slab(order, None if state is None else _in_turn(state), batch, len(w_c), x.dtype)
        after, states, product = slab[batch:], slab.view(turn.dtype), np.ndarray.dot
        out = self.empty((order.rows, w_d.shape[1]), x.dtype)
        room, w_out = self.empty(out.shape, x.dtype), np.ascontiguousarray(_in_turn(w_c.T).T)
        for chunk, part in _chunks(order, len(w_c)):
            own = after[part]
            product(inputs[part], into, own)
            scan_runs(chunk, turn, states)
            product(own, w_out, out[part])
            out[part] += product(inputs[part], w_d, room[: len(own)])
        outputs = order.scatter(out)
        last = self.zeros((batch, w_d.shape[1]), x.dtype) if y is None else np.array(y)
        rows, steps = _last_steps(batch, time, lengths, reverse)
        last[rows] = outputs[rows, steps]
        return outputs, (last, _apart(order.last(slab))), (order, inputs, slab, into, lengths, reverse, x.shape)

    @adding
    def lru_backward(
        self,
        dy: Array | None,
        dy_last: Array | None,
        dstate: Array | None,
        saved: Saved,
        eigenvalues: Array,
        w_b: Array,
        w_c: Array,
        w_d: Array,
        *,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Array, Array, Array, Array, tuple[Array, Array]]:
        """Propagate gradients back through time; as the generic kernel."""
        order, inputs, slab, into, lengths, reverse, (batch, time, _) = saved
        dtype, after = slab.dtype, slab[batch:]
        turn, gain, parts = _eigenvalues(eigenvalues)
        shape = (batch, time, w_d.shape[1])
        dy_first = self.zeros((batch, w_d.shape[1]), dtype)
        if dy_last is not None:
            rows, steps = _last_steps(batch, time, lengths, reverse)
            dy = self.zeros(shape, dtype) if dy is None else np.array(dy)
            dy[rows, steps] += dy_last[rows]
            dy_first[...] = dy_last
            dy_first[rows] = 0
        dout = self.zeros((order.rows, shape[2]), dtype) if dy is None else order.gather(dy)

        gradient, before = self.empty(after.shape, dtype), order.before(slab).view(turn.dtype)
        own_gradient, product = gradient.view(turn.dtype), np.ndarray.dot
        carried = self.carried(order, None if dstate is None else _in_turn(dstate), batch, len(w_c), dtype)
        back, w_out = turn.conj(), _in_turn(np.ascontiguousarray(w_c.T))
        dx = self.empty((order.rows, len(w_b)), dtype) if input_gradient else None
        dturn = np.zeros_like(turn)
        chunks = _chunks(order, len(w_c))
        longest = max((part.stop - part.start for _, part in chunks), default=0)
        room = self.empty((longest, len(w_b)), dtype)
        terms = self.empty((longest, len(turn)), turn.dtype)
        for chunk, part in reversed(chunks):
            own, rows = gradient[part], part.stop - part.start
            product(dout[part], w_out, own)
            scan_back(chunk, back, own_gradient, carried.view(turn.dtype))
            np.conjugate(before[part], out=terms[:rows])
            np.multiply(terms[:rows], own_gradient[part], out=terms[:rows])
            dturn += np.add.reduce(terms[:rows], axis=0)
            if dx is not None:
                product(own, into.T, dx[part])
                dx[part] += product(dout[part], w_d.T, room[:rows])

        dw_in = inputs.T @ gradient
        # Of l and, by what enters before it is scaled, of g.
        dgain = np.add.reduce((dw_in * _in_turn(w_b)).reshape(len(w_b), -1, 2), axis=(0, 2))
        n, p = parts
        dlog = dturn * turn.conj()
        deigenvalues = np.concatenate([-dlog.real * n, dlog.imag * p, dgain * gain])
        dw_b = _apart(dw_in * np.repeat(gain, 2))
        dw_c = _apart((after.T @ dout).T).T
        first = dy_first, _apart(order.from_first(carried))
        given = None if dx is None else order.scatter(dx)
        return given, deigenvalues, dw_b, dw_c, inputs.T @ dout, first


def _chunks(order: ReadingOrder, columns: int) -> list[tuple[list[Run], slice]]:
    """Return chunks of runs whose states stay in the second cache, and the rows that they are."""
    return [
        (chunk, slice(chunk[0].first, chunk[-1].stop)) for chunk in order.chunks(max(_STATES // max(columns, 1), 1))
    ]


def _eigenvalues(eigenvalues: Array) -> tuple[Array, Array, tuple[Array, Array]]:
    """Return the complex l = exp(-n + i p), then g, and n and p, (units,) each."""
    n, p, gain = np.exp(eigenvalues).reshape(3, -1)
    turn = np.exp(-n) * (np.cos(p) + 1j * np.sin(p))
    return turn.astype(np.result_type(eigenvalues.dtype, np.complex64)), gain, (n, p)


def _in_turn(halves: Array) -> Array:
    """Return (rows, 2 units), real parts before imaginary ones, with each beside its own."""
    rows, columns = halves.shape
    return np.ascontiguousarray(halves.reshape(rows, 2, columns // 2).swapaxes(1, 2)).reshape(rows, columns)


def _apart(in_turn: Array) -> Array:
    """Undo `_in_turn`."""
    rows, columns = in_turn.shape
    return np.ascontiguousarray(in_turn.reshape(rows, columns // 2, 2).swapaxes(1, 2)).reshape(rows, columns)


def _last_steps(batch: int, time: int, lengths: Array | None, reverse: bool) -> tuple[Array, Array]:
    """Return the rows that have a step, and which of theirs is read last."""
    ends = np.full(batch, time) if lengths is None else np.asarray(lengths)
    rows = np.flatnonzero(ends)
    return rows, np.zeros_like(rows) if reverse else ends[rows] - 1
