"""What NumPy's LSTM and GRU kernels share: gates stacked instead of side by side, and the arrays of a pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.backend import Backend
from lamina.backends.numpy.reading_order import ReadingOrder, Run

__all__ = ["CHUNK_ROWS", "NumPyGateKernels", "largest_chunk"]

# A pass works on about this many rows at a time: few enough that what it needs of them stays in a core's cache,
# enough for the products over all of them to run at full speed.
CHUNK_ROWS = 512

# A training step takes and frees the same few MB again and again. Where more memory lies free than twice the
# largest block it has been given back, glibc returns it to the system, and to fetch it anew, page by page, costs
# a small network as much time as its arithmetic. So that it keeps up to 64 MB, it is once given back a block of
# nearly 32 MB (nothing is written to it: it never takes real memory).
np.empty(2**25 - 2**16, np.uint8)


def largest_chunk(chunks: Sequence[Sequence[Run]]) -> int:
    """Return how many rows the largest of the chunks has."""
    return max((chunk[-1].stop - chunk[0].first for chunk in chunks), default=0)


class NumPyGateKernels(Backend):
    """Stacks (gates, rows, units): every gate is one block, and one product over the stack computes them all.

    NumPy is at its best where it walks through memory without gaps, and there are gaps between the rows of a
    gate that is a slice of (rows, gates * units).
    """

    def stacked(self, w: Array, units: int, gates: Array) -> Array:
        """Return gates of w, (rows, any number * units), in the given order: (gates, rows, units)."""
        return w.reshape(len(w), -1, units).swapaxes(0, 1).take(gates, axis=0)

    def transposed(self, stack: Array) -> Array:
        """Return (gates, rows, units) as (gates, units, rows), without gaps."""
        return np.ascontiguousarray(stack.swapaxes(1, 2))

    def side_by_side(self, stack: Array, places: Array) -> Array:
        """Return (gates, rows, units) as (rows, gates * units): undo `stacked`, given where each gate is now."""
        gates, rows, units = stack.shape
        return stack.take(places, axis=0).swapaxes(0, 1).reshape(rows, gates * units)

    def inputs_and_one(self, order: ReadingOrder, x: Array) -> Array:
        """Return x in reading order, (rows, features + 1): a 1 at the end makes the bias a row of the weights."""
        rows = self.empty((order.rows, x.shape[2] + 1), x.dtype)
        order.gather_into(rows[:, :-1], x)
        rows[:, -1] = 1
        return rows

    def weights_and_bias(self, w_x: Array, b: Array | None, units: int, gates: Array) -> Array:
        """Return what `stacked` does of w_x, with the bias, or zeros, as each gate's last row."""
        stack = self.empty((len(gates), len(w_x) + 1, units), w_x.dtype)
        stack[:, :-1] = self.stacked(w_x, units, gates)
        stack[:, -1] = 0 if b is None else b.reshape(-1, units)[gates]
        return stack

    def slab(self, order: ReadingOrder, state: Array | None, batch: int, units: int, dtype: Array) -> Array:
        """Return a slab (see `ReadingOrder`) that begins with the state, or zeros."""
        slab = self.empty((batch + order.rows, units), dtype)
        slab[:batch] = 0 if state is None else order.to_first(state)
        return slab

    def carried(self, order: ReadingOrder, gradient: Array | None, batch: int, units: int, dtype: Array) -> Array:
        """Return a last state's gradient, or zeros, as a new array in the order of a slab's first block.

        A step of backpropagation through time updates the rows that it reads: the first ones. The others hold
        their last state's gradient until the steps come that read them too.
        """
        carried = self.empty((batch, units), dtype)
        carried[...] = 0 if gradient is None else order.to_first(gradient)
        return carried
