"""The independently recurrent layer on Numba: compiled passes."""

from __future__ import annotations

from typing import Any

from lamina.backends.arrays import Array, Gradients, Saved
from lamina.backends.numba.recurrence import NumbaRecurrentKernels, Pass
from lamina.backends.numpy.ind_rnn import NumPyIndRNNKernels

__all__ = ["NumbaIndRNNKernels"]


class NumbaIndRNNKernels(NumbaRecurrentKernels, NumPyIndRNNKernels):
    """The independently recurrent layer."""

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
        """Run the layer over the time axis; as the generic kernel."""
        weights = w_x, w_h, b
        found = self.recurrent_forward("ind_rnn", x, weights, (state,), lengths, activation=activation, reverse=reverse)
        if found is None:
            return super().ind_rnn_forward(x, *weights, state, lengths, activation=activation, reverse=reverse)
        (y, last), saved = found
        return y, last, saved

    def ind_rnn_backward(
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
        options: Any = {"input_gradient": input_gradient, "gradients": gradients}
        if not isinstance(saved, Pass):
            return super().ind_rnn_backward(dh, dstate, saved, w_x, w_h, **options)
        dx, dw, (first,) = self.recurrent_backward((dh, dstate), saved, w_x, w_h, **options)
        return dx, *dw[:3], first
