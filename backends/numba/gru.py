"""The GRU on Numba: the steps as one compiled pass each, and one row alone as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.numba.compiled import CompiledKernels
from lamina.backends.numpy.gates import CHUNK_ROWS
from lamina.backends.numpy.gru import NumPyGRUKernels
from lamina.backends.numpy.products import in_blocks, in_pieces
from lamina.backends.numpy.reading_order import reading_order

__all__ = ["NumbaGRUKernels"]


class NumbaGRUKernels(CompiledKernels, NumPyGRUKernels):
    """The GRU; without ``reset_after``, as NumPy's."""

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
        """Run the GRU over the time axis; as the generic kernel. One row alone runs compiled as a whole."""
        batch, time, _ = x.shape
        if batch != 1 or not reset_after or x.dtype not in self.compiled_dtypes:
            options: Any = {"reset_after": reset_after, "reverse": reverse}
            return super().gru_forward(x, w_x, w_h, b, b_h, state, lengths, **options)
        units = w_h.shape[0]
        order = reading_order(1, time, lengths, reverse)
        inputs, projected = self.projected(order, x, w_x, b)
        bias = self.zeros((3 * units,), x.dtype)
        bias[2 * units :] = 0 if b_h is None else b_h
        hidden = self.slab(order, state, 1, units, x.dtype)
        activity = self.empty((order.rows, 5 * units), x.dtype)
        self.compiled.gru_row(projected, w_h, bias, hidden, activity)
        saved = (order, order.chunks(CHUNK_ROWS), inputs, hidden, activity, x.shape, True)
        return order.scatter(hidden[1:]), order.last(hidden), saved

    def run_gru_steps(
        self, stacks: Array, before: Array, after: Array, w_state: Array, bias: Array, room: Array, reset_after: bool
    ) -> None:
        """Run consecutive steps that read the same rows; as NumPy's, which runs those without ``reset_after``."""
        if not reset_after or stacks.dtype not in self.compiled_dtypes:
            super().run_gru_steps(stacks, before, after, w_state, bias, room, reset_after)
            return
        rows, units = before.shape
        product = room[: 3 * rows * units].reshape(3, rows, units)
        pieces = in_pieces(product, w_state)
        step, matmul = self.compiled.gru_step, np.matmul
        left = in_blocks(before, w_state)
        for stack, new, next_left in zip(stacks, after, in_blocks(after, w_state), strict=True):
            matmul(left, w_state, out=pieces)
            step(stack, product, bias, before, new)
            before, left = new, next_left

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
        """Propagate gradients back through the steps of `run_gru_steps`; as NumPy's."""
        if not reset_after or stacks.dtype not in self.compiled_dtypes:
            super().run_gru_steps_back(stacks, before, upstream, dh, w_state_back, slopes, first, room, reset_after)
            return
        steps, _, rows, units = stacks.shape
        product = room[: 4 * rows * units].reshape(4, rows, units)
        product[0], product[1:] = dh, 0
        pieces = in_pieces(product[:3], w_state_back)
        nothing = np.empty((0, 0), stacks.dtype)
        gradients = slopes[1:, first : first + steps * rows].reshape(3, steps, rows, units).swapaxes(0, 1)
        lefts = in_blocks(gradients, w_state_back)
        step, matmul = self.compiled.gru_step_backward, np.matmul
        for t in range(steps - 1, -1, -1):
            row = first + t * rows
            step(stacks[t], nothing if upstream is None else upstream[t], product, slopes, row)
            matmul(lefts[t], w_state_back, out=pieces)
        np.add.reduce(product, axis=0, out=dh)
