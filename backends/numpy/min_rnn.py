"""NumPy's kernels for MinGRU and MinLSTM: all gates before the time loop, and two calls a step in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import adding
from lamina.backends.numpy.gates import CHUNK_ROWS, NumPyGateKernels
from lamina.backends.numpy.linear_scan import linear_scan, linear_scan_back
from lamina.backends.numpy.products import add_product, slices
from lamina.backends.numpy.reading_order import ReadingOrder, reading_order

__all__ = ["NumPyMinRNNKernels"]

# Writes the gates' gradients (gates, rows, units) of a part of the rows.
_Slopes: TypeAlias = Callable[[slice, Array], None]

_Z_CANDIDATE = np.arange(2)
_I_F_CANDIDATE = np.arange(3)


class NumPyMinRNNKernels(NumPyGateKernels):
    """h_t = k_t h_{t-1} + (1 - k_t) c_t over rows in reading order (see `ReadingOrder`)."""

    def min_gru_forward(
        self,
        x: Array,
        w_x: Array,
        b: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run k = 1 - sigmoid(z) over the time axis; as the generic kernel."""
        order, inputs, weights, slab = self._begin(x, w_x, b, state, lengths, reverse, _Z_CANDIDATE)
        half, after = np.asarray(0.5, x.dtype), slab[len(x) :]
        weights[0] *= -half  # 1 - sigmoid(z) = tanh(-z / 2) / 2 + 1 / 2
        gates = self.empty((2, *after.shape), x.dtype)
        for part in slices(order.rows, CHUNK_ROWS):
            keep, candidate = np.matmul(inputs[part], weights, out=gates[:, part])
            _open(keep, half)
            _enter(keep, candidate, after[part])
        linear_scan(order, gates[0], slab)
        return order.scatter(after), order.last(slab), (order, inputs, gates, slab, x.shape)

    @adding
    def min_gru_backward(
        self, dh: Array | None, dstate: Array | None, saved: Saved, w_x: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        order, inputs, (keep, candidate), slab, (batch, _, _) = saved
        gradient, carried = self._gradients(order, dh, dstate, keep, slab, batch)
        before = order.before(slab)

        def slopes(part: slice, da: Array) -> None:
            _close(gradient[part], before[part], keep[part], candidate[part], da)
            np.negative(da[0], out=da[0])

        return *self._end(order, inputs, w_x, slopes, 2, input_gradient), order.from_first(carried)

    def min_lstm_forward(
        self,
        x: Array,
        w_x: Array,
        b: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run k = sigmoid(f) / (sigmoid(f) + sigmoid(i)) over the time axis; as the generic kernel."""
        order, inputs, weights, slab = self._begin(x, w_x, b, state, lengths, reverse, _I_F_CANDIDATE)
        half, after = np.asarray(0.5, x.dtype), slab[len(x) :]
        np.negative(weights[:2], out=weights[:2])  # only -i and -f are needed
        gates = self.empty((3, *after.shape), x.dtype)
        keep = self.empty(after.shape, x.dtype)
        room = self.empty((2, min(CHUNK_ROWS, len(after)), after.shape[1]), x.dtype)
        zero = np.zeros((), x.dtype)
        for part in slices(order.rows, CHUNK_ROWS):
            np.matmul(inputs[part], weights, out=gates[:, part])
            both, logs = gates[:2, part], room[:, : part.stop - part.start]
            # softplus(a) = max(a, 0) + log(1 + exp(-|a|)); k is the sigmoid of that of -i less that of -f.
            np.absolute(both, out=logs)
            np.negative(logs, out=logs)
            np.exp(logs, out=logs)
            np.log1p(logs, out=logs)
            own = keep[part]
            np.subtract(logs[0], logs[1], out=own)
            np.maximum(both, zero, out=logs)
            np.subtract(logs[0], logs[1], out=logs[0])
            np.add(own, logs[0], out=own)
            np.multiply(own, half, out=own)
            _open(own, half)
            _enter(own, gates[2, part], after[part])
        linear_scan(order, keep, slab)
        return order.scatter(after), order.last(slab), (order, inputs, gates, keep, slab, x.shape)

    @adding
    def min_lstm_backward(
        self, dh: Array | None, dstate: Array | None, saved: Saved, w_x: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        order, inputs, gates, keep, slab, (batch, _, _) = saved
        gradient, carried = self._gradients(order, dh, dstate, keep, slab, batch)
        before, half = order.before(slab), np.asarray(0.5, w_x.dtype)

        def slopes(part: slice, da: Array) -> None:
            _close(gradient[part], before[part], keep[part], gates[2, part], da[1:])
            # The slope of log sigmoid(a) is sigmoid(-a): of f as it is, of i negative.
            opened = np.multiply(gates[:2, part], half)
            _open(opened, half)
            np.multiply(da[1], opened[0], out=da[0])
            np.negative(da[0], out=da[0])
            np.multiply(da[1], opened[1], out=da[1])

        return *self._end(order, inputs, w_x, slopes, 3, input_gradient), order.from_first(carried)

    def _begin(
        self,
        x: Array,
        w_x: Array,
        b: Array | None,
        state: Array | None,
        lengths: Array | None,
        reverse: bool,
        gates: Array,
    ) -> tuple[ReadingOrder, Array, Array, Array]:
        """Return the order, x with a 1, (rows, features + 1), the gates' weights with the bias, and a slab."""
        batch, time, _ = x.shape
        units = w_x.shape[1] // len(gates)
        order = reading_order(batch, time, lengths, reverse)
        slab = self.slab(order, state, batch, units, x.dtype)
        return order, self.inputs_and_one(order, x), self.weights_and_bias(w_x, b, units, gates), slab

    def _gradients(
        self, order: ReadingOrder, dh: Array | None, dstate: Array | None, keep: Array, slab: Array, batch: int
    ) -> tuple[Array, Array]:
        """Return the gradients of what enters each step, (rows, units), and of the states before the first."""
        gradient = self.empty(keep.shape, keep.dtype)
        if dh is None:
            gradient.fill(0)
        else:
            order.gather_into(gradient, dh)
        carried = self.carried(order, dstate, batch, slab.shape[1], slab.dtype)
        linear_scan_back(order, keep, gradient, carried)
        return gradient, carried

    def _end(
        self, order: ReadingOrder, inputs: Array, w_x: Array, slopes: _Slopes, gates: int, input_gradient: bool
    ) -> tuple[Array | None, Array, Array]:
        """Return dx, dw_x and db, from what writes the gradients of the gates, (gates, rows, units), of some rows."""
        features, dtype = len(w_x), w_x.dtype
        units = w_x.shape[1] // gates
        places = np.arange(gates)
        dw = self.zeros((gates, features + 1, units), dtype)
        room = self.empty(dw.shape, dtype)
        da = self.empty((gates, min(CHUNK_ROWS, order.rows), units), dtype)
        dx = self.empty((order.rows, features), dtype) if input_gradient else None
        w_back = self.transposed(self.stacked(w_x, units, places))
        for part in slices(order.rows, CHUNK_ROWS):
            own = da[:, : part.stop - part.start]
            slopes(part, own)
            add_product(dw, inputs[part], own, room)
            if dx is not None:
                np.add.reduce(np.matmul(own, w_back), axis=0, out=dx[part])
        dw = self.side_by_side(dw, places)
        return None if dx is None else order.scatter(dx), dw[:-1], dw[-1]


def _open(halved: Array, half: Array) -> None:
    """Turn a / 2 into sigmoid(a)."""
    np.tanh(halved, out=halved)
    np.multiply(halved, half, out=halved)
    np.add(halved, half, out=halved)


def _enter(keep: Array, candidate: Array, out: Array) -> None:
    """Write (1 - k) c."""
    np.subtract(1, keep, out=out)
    np.multiply(out, candidate, out=out)


def _close(gradient: Array, before: Array, keep: Array, candidate: Array, out: Array) -> None:
    """Write the gradients of what a sigmoid makes k of, and of c, one after the other."""
    logit, own = out
    np.subtract(1, keep, out=own)
    np.multiply(own, gradient, out=own)
    np.subtract(before, candidate, out=logit)
    np.multiply(logit, keep, out=logit)
    np.multiply(logit, own, out=logit)
