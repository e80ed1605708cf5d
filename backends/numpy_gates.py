"""What NumPy's LSTM and GRU kernels share: the size of their chunks, and the arrays that a pass begins with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.base import Backend
from lamina.backends.reading_order import ReadingOrder, Run

__all__ = ["CHUNK_ROWS", "NumPyGateKernels", "largest_chunk"]

# A backward pass works on about this many rows at a time: few enough that what it needs of them stays in a core's
# cache, enough for the products over all of them to run at full speed.
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
    """Kernels over stacks (gates, rows, units) of the gates that lie side by side in the parameters.

    NumPy is at its best where it walks through memory without gaps, and there are gaps between the rows of a
    gate that is a slice of (rows, gates * units). In a stack every gate is one block, and so are gates that
    follow each other.
    """

    def reordered(self, w: Array, units: int, gates: Sequence[int]) -> Array:
        """Return gates of w, (rows, any number * units), in the given order: (rows, gates, units), a copy."""
        picked = self.empty((w.shape[0], len(gates), units), w.dtype)
        for place, gate in enumerate(gates):
            picked[:, place] = w[:, gate * units : (gate + 1) * units]
        return picked

    def sources(self, order: ReadingOrder, x: Array, before: int) -> Array:
        """Return rows in reading order with room for ``before`` columns, then x, then a 1 for the bias."""
        rows = self.empty((order.rows, before + x.shape[2] + 1), x.dtype)
        order.gather_into(rows[:, before:-1], x)
        rows[:, -1] = 1
        return rows

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
