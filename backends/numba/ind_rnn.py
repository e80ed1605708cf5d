"""The independently recurrent layer on Numba: compiled passes."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
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
    ) -> tuple[Array | None, Array, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        if not isinstance(saved, Pass):
            return super().ind_rnn_backward(dh, dstate, saved, w_x, w_h, input_gradient=input_gradient)
        dx, dw, (first,) = self.recurrent_backward((dh, dstate), saved, w_x, w_h, input_gradient=input_gradient)
        return dx, dw[0], dw[1], dw[2], first
