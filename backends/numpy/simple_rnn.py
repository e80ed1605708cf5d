"""NumPy's kernels for the simple recurrent layer: large products outside the time loop, no allocation inside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.backends.arrays import Array, Gradients, Saved
from lamina.backends.kernels import added
from lamina.backends.numpy.gates import NumPyGateKernels
from lamina.backends.numpy.products import in_blocks, in_pieces, prepared_product, rows_product
from lamina.backends.numpy.reading_order import reading_order

__all__ = ["NumPySimpleRNNKernels"]


class NumPySimpleRNNKernels(NumPyGateKernels):
    """The simple recurrent layer over rows in reading order (see `ReadingOrder`).

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
        units = w_h.shape[0]
        order = reading_order(batch, time, lengths, reverse)
        inputs = order.gather(x)
        slab = self.slab(order, state, batch, units, x.dtype)
        first, after = slab[:batch], slab[batch:]
        rows_product(inputs, w_x, after)
        if b is not None:
            after += b
        self.run_simple_rnn_steps(order.steps(after), first, w_h, activation)
        return order.scatter(after), order.last(slab), (order, inputs, slab, activation, x.shape)

    def run_simple_rnn_steps(self, steps: Sequence[Array], before: Array, w_h: Array, activation: str) -> None:
        """Run the time loop.

        Parameters
        ----------
        steps : arrays (rows, units)
            Each step's x w_x + b on entry, and its states on return. They continue the first rows of the step before.
        before : (rows, units)
            The states before the first step.
        w_h : (units, units)
        activation : str
        """
        room = self.empty(before.shape, before.dtype)
        product, weights, cut = prepared_product(w_h, len(before))
        add, tanh, maximum, rows = np.add, np.tanh, np.maximum, -1
        for state in steps:
            if len(state) != rows:
                rows = len(state)
                before, room = before[:rows], room[:rows]
                into = in_pieces(room, weights) if cut else room
            product(in_blocks(before, weights) if cut else before, weights, into)
            add(state, room, out=state)
            if activation == "tanh":
                tanh(state, out=state)
            else:
                maximum(state, 0, out=state)
            before = state

    def simple_rnn_backward(
        self,
        dh: Array | None,
        dstate: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Array, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        order, inputs, slab, activation, (batch, _, features) = saved
        after, dtype = slab[batch:], slab.dtype
        carried = self.carried(order, dstate, batch, w_h.shape[0], dtype)
        da = self.empty(after.shape, dtype)
        if activation == "tanh":
            np.multiply(after, after, out=da)
            np.subtract(np.asarray(1, dtype), da, out=da)
        else:
            np.greater(after, 0, out=da)
        upstream = None if dh is None else order.steps(order.gather(dh))
        self.run_simple_rnn_steps_back(order.steps(da), upstream, carried, w_h)
        dx = None
        if input_gradient:
            dx = self.empty((order.rows, features), dtype)
            rows_product(da, np.ascontiguousarray(w_x.T), dx)
            dx = order.scatter(dx)
        dot = np.ndarray.dot  # np.dot asks a function of Python's first
        db = dot(self.full((order.rows,), 1.0, dtype), da)
        dw = added(gradients, (dot(inputs.T, da), dot(order.before(slab).T, da), db))
        return dx, *dw, order.from_first(carried)

    def run_simple_rnn_steps_back(
        self, slopes: Sequence[Array], upstream: Sequence[Array] | None, carried: Array, w_h: Array
    ) -> None:
        """Run the time loop back.

        Parameters
        ----------
        slopes : arrays (rows, units)
            The activation's slopes at each step on entry, and the gradients of its argument on return.
        upstream : arrays (rows, units) or None
            The gradients of each step's output.
        carried : (rows, units)
            The gradients of the last states on entry, and of the first ones on return.
        w_h : (units, units)
        """
        product, weights, cut = prepared_product(w_h.T, len(carried))
        add, multiply = np.add, np.multiply
        rows = -1
        for t in range(len(slopes) - 1, -1, -1):
            da = slopes[t]
            if len(da) != rows:
                rows = len(da)
                dh = carried[:rows]
                into = in_pieces(dh, weights) if cut else dh
            if upstream is not None:
                add(dh, upstream[t], out=dh)
            multiply(dh, da, out=da)
            product(in_blocks(da, weights) if cut else da, weights, into)
