"""NumPy's kernels for the independently recurrent layer: products outside the time loop, three calls a step in it."""

from __future__ import annotations

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import adding
from lamina.backends.numpy.gates import NumPyGateKernels
from lamina.backends.numpy.products import rows_product
from lamina.backends.numpy.reading_order import reading_order

__all__ = ["NumPyIndRNNKernels"]


class NumPyIndRNNKernels(NumPyGateKernels):
    """The independently recurrent layer over rows in reading order (see `ReadingOrder`)."""

    def ind_rnn_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        activation: str = "relu",
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run h_t = f(x_t w_x + w_h h_{t-1} + b) over the time axis; as the generic kernel."""
        batch, time, _ = x.shape
        order = reading_order(batch, time, lengths, reverse)
        inputs = order.gather(x)
        slab = self.slab(order, state, batch, len(w_h), x.dtype)
        before, after = slab[:batch], slab[batch:]
        rows_product(inputs, w_x, after)
        if b is not None:
            after += b
        room = self.empty(before.shape, x.dtype)
        add, multiply, tanh, maximum, zero = np.add, np.multiply, np.tanh, np.maximum, np.zeros((), x.dtype)
        rows = -1
        for new in order.steps(after):
            if len(new) != rows:
                rows = len(new)
                before, room = before[:rows], room[:rows]
            multiply(before, w_h, out=room)
            add(new, room, out=new)
            if activation == "tanh":
                tanh(new, out=new)
            else:
                maximum(new, zero, out=new)
            before = new
        return order.scatter(after), order.last(slab), (order, inputs, slab, activation, x.shape)

    @adding
    def ind_rnn_backward(
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
        order, inputs, slab, activation, (batch, _, features) = saved
        after, dtype = slab[batch:], slab.dtype
        carried = self.carried(order, dstate, batch, len(w_h), dtype)
        da = self.empty(after.shape, dtype)
        if activation == "tanh":
            np.multiply(after, after, out=da)
            np.subtract(np.asarray(1, dtype), da, out=da)
        else:
            np.greater(after, 0, out=da)
        slopes = order.steps(da)
        upstream = None if dh is None else order.steps(order.gather(dh))
        add, multiply = np.add, np.multiply
        rows = -1
        for t in range(len(slopes) - 1, -1, -1):
            own = slopes[t]
            if len(own) != rows:
                rows = len(own)
                gradient = carried[:rows]
            if upstream is not None:
                add(gradient, upstream[t], out=gradient)
            multiply(gradient, own, out=own)
            multiply(own, w_h, out=gradient)
        dx = None
        if input_gradient:
            dx = self.empty((order.rows, features), dtype)
            rows_product(da, np.ascontiguousarray(w_x.T), dx)
            dx = order.scatter(dx)
        ones = self.full((order.rows,), 1.0, dtype)
        dw_h = np.dot(ones, order.before(slab) * da)
        return dx, np.dot(inputs.T, da), dw_h, np.dot(ones, da), order.from_first(carried)
