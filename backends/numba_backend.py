"""The Numba backend: NumPy's, with what happens between a recurrent layer's matrix products compiled."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.errors import BackendError
from lamina.backends.numpy_backend import NumPyBackend
from lamina.backends.numpy_gates import CHUNK_ROWS
from lamina.backends.numpy_products import in_blocks, in_pieces
from lamina.backends.reading_order import ReadingOrder, reading_order

__all__ = ["NumbaBackend"]

_INSTALL = "pip install 'lamina[numba]'"


class NumbaBackend(NumPyBackend):
    """NumPy's arrays and kernels, but the steps of LSTM and GRU as one compiled pass each instead of ten.

    One row alone, as in inference, runs compiled as a whole. GRU without ``reset_after``, SimpleRNN with relu, and
    float64 run as NumPy's.

    A plug-in like one of another package: it is found through the entry-point group ``lamina.backends``.

    Raises
    ------
    BackendError
        If Numba is not installed.
    """

    name = "numba"

    #: The dtypes whose steps are compiled. Of float64, Numba has no tanh that is faster than NumPy's.
    compiled_dtypes: tuple[np.dtype[Any], ...] = (np.dtype("float32"),)

    # Compiled steps leave Python to the other threads for longer.
    in_blocks: ClassVar[Mapping[str, tuple[int, int]]] = {
        **NumPyBackend.in_blocks,
        "lstm": (3, 500_000),
        "gru": (4, 500_000),
    }

    def __init__(self) -> None:
        super().__init__()
        try:
            self.compiled: Any = import_module("lamina.backends.numba_steps")
        except ImportError as error:
            raise BackendError(f"backend 'numba': Numba is not installed ({error}); {_INSTALL}") from error

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
        """Run the layer over the time axis; as the generic kernel. One row alone runs compiled as a whole."""
        batch, time, _ = x.shape
        if batch != 1 or activation != "tanh" or x.dtype not in self.compiled_dtypes:
            options: Any = {"activation": activation, "reverse": reverse}
            return super().simple_rnn_forward(x, w_x, w_h, b, state, lengths, **options)
        order = reading_order(1, time, lengths, reverse)
        inputs, hidden = order.gather(x), self.slab(order, state, 1, w_h.shape[0], x.dtype)
        np.matmul(inputs, w_x, out=hidden[1:])
        if b is not None:
            hidden[1:] += b
        self.compiled.simple_rnn_row(w_h, hidden)
        return order.scatter(hidden[1:]), order.last(hidden), (order, inputs, hidden, activation, x.shape)

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

    def projected(self, order: ReadingOrder, x: Array, w_x: Array, b: Array | None) -> tuple[Array, Array]:
        """Return what `inputs_and_one` does, and x w_x + b in reading order, (rows, gates units)."""
        inputs = self.inputs_and_one(order, x)
        projected = inputs[:, :-1] @ w_x
        if b is not None:
            projected += b
        return inputs, projected

    def lstm_steps_forward(
        self, stacks: Array, before: tuple[Array, Array], after: tuple[Array, Array], w_state: Array, room: Array
    ) -> None:
        """Run consecutive steps that read the same rows; as NumPy's."""
        if stacks.dtype not in self.compiled_dtypes:
            super().lstm_steps_forward(stacks, before, after, w_state, room)
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

    def lstm_steps_backward(
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
        """Propagate gradients back through the steps of `lstm_steps_forward`; as NumPy's."""
        if stacks.dtype not in self.compiled_dtypes:
            super().lstm_steps_backward(stacks, c_before, upstream, carried, w_state_back, slopes, first, room)
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

    def gru_steps_forward(
        self, stacks: Array, before: Array, after: Array, w_state: Array, bias: Array, room: Array, reset_after: bool
    ) -> None:
        """Run consecutive steps that read the same rows; as NumPy's, which runs those without ``reset_after``."""
        if not reset_after or stacks.dtype not in self.compiled_dtypes:
            super().gru_steps_forward(stacks, before, after, w_state, bias, room, reset_after)
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

    def gru_steps_backward(
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
        """Propagate gradients back through the steps of `gru_steps_forward`; as NumPy's."""
        if not reset_after or stacks.dtype not in self.compiled_dtypes:
            super().gru_steps_backward(stacks, before, upstream, dh, w_state_back, slopes, first, room, reset_after)
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
