"""The LSTM on Numba: the steps as one compiled pass each, and one row alone as a whole."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.numba.compiled import CompiledKernels
from lamina.backends.numpy.gates import CHUNK_ROWS
from lamina.backends.numpy.lstm import NumPyLSTMKernels
from lamina.backends.numpy.products import in_blocks, in_pieces
from lamina.backends.numpy.reading_order import reading_order

__all__ = ["NumbaLSTMKernels"]


class NumbaLSTMKernels(CompiledKernels, NumPyLSTMKernels):
    """The LSTM."""

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
        """Run the LSTM over the time axis; as the generic kernel. One row alone runs compiled as a whole."""
        batch, time, _ = x.shape
        if batch != 1 or x.dtype not in self.compiled_dtypes:
            return super().lstm_forward(x, w_x, w_h, b, h, c, lengths, reverse=reverse)
        units = w_h.shape[0]
        order = reading_order(1, time, lengths, reverse)
        inputs, projected = self.projected(order, x, w_x, b)
        hidden, cell = (self.slab(order, state, 1, units, x.dtype) for state in (h, c))
        activity = self.empty((order.rows, 5 * units), x.dtype)
        self.compiled.lstm_row(projected, w_h, hidden, cell, activity)
        saved = (order, order.chunks(CHUNK_ROWS), inputs, hidden, cell, activity, x.shape)
        return order.scatter(hidden[1:]), (order.last(hidden), order.last(cell)), saved

    def run_lstm_steps(
        self, stacks: Array, before: tuple[Array, Array], after: tuple[Array, Array], w_state: Array, room: Array
    ) -> None:
        """Run consecutive steps that read the same rows; as NumPy's."""
        if stacks.dtype not in self.compiled_dtypes:
            super().run_lstm_steps(stacks, before, after, w_state, room)
            return
        rows, units = stacks.shape[2:]
        product = room[: 4 * rows * units].reshape(4, rows, units)
        pieces = in_pieces(product, w_state)
        step, matmul = self.compiled.lstm_step, np.matmul
        left, c_before = in_blocks(before[0], w_state), before[1]
        for stack, h_after, c_after, next_left in zip(stacks, *after, in_blocks(after[0], w_state), strict=True):
            matmul(left, w_state, out=pieces)
            step(stack, product, c_before, c_after, h_after)
            left, c_before = next_left, c_after

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
        """Propagate gradients back through the steps of `run_lstm_steps`; as NumPy's."""
        if stacks.dtype not in self.compiled_dtypes:
            super().run_lstm_steps_back(stacks, c_before, upstream, carried, w_state_back, slopes, first, room)
            return
        steps, _, rows, units = stacks.shape
        dh, dc = carried
        product = room[: 4 * rows * units].reshape(4, rows, units)
        product[0], product[1:] = dh, 0
        pieces = in_pieces(product, w_state_back)
        nothing = np.empty((0, 0), stacks.dtype)
        gradients = slopes[:4, first : first + steps * rows].reshape(4, steps, rows, units).swapaxes(0, 1)
        lefts = in_blocks(gradients, w_state_back)
        step, matmul = self.compiled.lstm_step_backward, np.matmul
        for t in range(steps - 1, -1, -1):
            row = first + t * rows
            step(stacks[t], c_before[t], nothing if upstream is None else upstream[t], product, dc, slopes, row)
            matmul(lefts[t], w_state_back, out=pieces)
        np.add.reduce(product, axis=0, out=dh)
