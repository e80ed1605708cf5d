"""NumPy's kernels for the recurrent layers: large products outside the time loop, no allocation inside it."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.base import Backend
from lamina.backends.reading_order import reading_order

__all__ = ["NumPyRecurrentKernels"]


class NumPyRecurrentKernels(Backend):
    """Recurrent kernels over slabs of rows in reading order (see `ReadingOrder`).

    All input projections are one product before the loop; all weight gradients are one product each after it.
    """

    def simple_rnn_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        activation: str = "tanh",
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run h_t = f(x_t w_x + h_{t-1} w_h + b) over the time axis; as the generic kernel."""
        batch, time, _ = x.shape
        order = reading_order(batch, time, lengths, reverse)
        inputs = order.gather(x)
        slab = self.empty((batch + order.rows, w_h.shape[0]), x.dtype)
        slab[:batch] = 0 if state is None else order.to_first(state)
        after = slab[batch:]
        np.matmul(inputs, w_x, out=after)
        if b is not None:
            after += b

        blocks = order.blocks(slab)
        product = self.empty((batch, w_h.shape[0]), x.dtype)
        matmul, add, tanh, maximum = np.matmul, np.add, np.tanh, np.maximum
        previous = blocks[0]
        for block in blocks[1:]:
            count = len(block)
            if count != len(previous):
                previous = previous[:count]
                product = product[:count]
            matmul(previous, w_h, out=product)
            add(block, product, out=block)
            if activation == "tanh":
                tanh(block, out=block)
            else:
                maximum(block, 0, out=block)
            previous = block
        return order.scatter(after), order.last(slab), (order, inputs, slab, activation, x.shape)

    def simple_rnn_backward(
        self,
        dh: Array | None,
        dstate: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Array, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        order, inputs, slab, activation, (batch, time, features) = saved
        units = w_h.shape[0]
        gradient = self.empty(slab.shape, slab.dtype)
        gradient[:batch] = 0
        da = gradient[batch:]
        da[...] = 0 if dh is None else order.gather(dh)
        if dstate is not None:
            order.add_to_last(gradient, dstate)
        after = slab[batch:]
        slope = self.empty(slab.shape, slab.dtype)
        if activation == "tanh":
            np.multiply(after, after, out=slope[batch:])
            np.subtract(1, slope[batch:], out=slope[batch:])
        else:
            np.greater(after, 0, out=slope[batch:])

        w_back = np.ascontiguousarray(w_h.T)
        product = self.empty((batch, units), slab.dtype)
        blocks, slopes = order.blocks(gradient), order.blocks(slope)
        matmul, add, multiply = np.matmul, np.add, np.multiply
        for t in range(len(blocks) - 1, 0, -1):
            block, previous = blocks[t], blocks[t - 1]
            count = len(block)
            if count != len(previous):
                previous = previous[:count]
            multiply(block, slopes[t], out=block)
            if dh is None:  # nothing but this product ever reaches the rows before
                matmul(block, w_back, out=previous)
            else:
                target = product[:count]
                matmul(block, w_back, out=target)
                add(previous, target, out=previous)

        dx = None
        if input_gradient:
            dx = order.scatter(da @ w_x.T) if time else self.zeros((batch, time, features), slab.dtype)
        dw_h = order.before(slab).T @ da
        return dx, inputs.T @ da, dw_h, da.sum(axis=0), order.from_first(gradient[:batch])
