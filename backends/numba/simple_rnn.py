"""The simple recurrent layer on Numba: one row alone, as in inference, runs compiled as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.arrays import Array, Saved
from lamina.backends.numba.compiled import CompiledKernels
from lamina.backends.numpy.reading_order import reading_order
from lamina.backends.numpy.simple_rnn import NumPySimpleRNNKernels

__all__ = ["NumbaSimpleRNNKernels"]


class NumbaSimpleRNNKernels(CompiledKernels, NumPySimpleRNNKernels):
    """The simple recurrent layer; with relu, as NumPy's."""

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
