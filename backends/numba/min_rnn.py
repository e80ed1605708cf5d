"""MinGRU and MinLSTM on Numba: compiled passes."""

from __future__ import annotations

from typing import Any

from lamina.backends.arrays import Array, Gradients, Saved
from lamina.backends.numba.recurrence import NumbaRecurrentKernels, Pass
from lamina.backends.numpy.min_rnn import NumPyMinRNNKernels

__all__ = ["NumbaMinRNNKernels"]


class NumbaMinRNNKernels(NumbaRecurrentKernels, NumPyMinRNNKernels):
    """MinGRU and MinLSTM."""

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
        """Run the MinGRU over the time axis; as the generic kernel."""
        found = self.recurrent_forward("min_gru", x, (w_x, b), (state,), lengths, reverse=reverse)
        if found is None:
            return super().min_gru_forward(x, w_x, b, state, lengths, reverse=reverse)
        (y, last), saved = found
        return y, last, saved

    def min_gru_backward(
        self,
        dh: Array | None,
        dstate: Array | None,
        saved: Saved,
        w_x: Array,
        *,
        input_gradient: bool = True,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        options: Any = {"input_gradient": input_gradient, "gradients": gradients}
        if not isinstance(saved, Pass):
            return super().min_gru_backward(dh, dstate, saved, w_x, **options)
        dx, dw, (first,) = self.recurrent_backward((dh, dstate), saved, w_x, **options)
        return dx, *dw[:2], first

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
        """Run the MinLSTM over the time axis; as the generic kernel."""
        found = self.recurrent_forward("min_lstm", x, (w_x, b), (state,), lengths, reverse=reverse)
        if found is None:
            return super().min_lstm_forward(x, w_x, b, state, lengths, reverse=reverse)
        (y, last), saved = found
        return y, last, saved

    def min_lstm_backward(
        self,
        dh: Array | None,
        dstate: Array | None,
        saved: Saved,
        w_x: Array,
        *,
        input_gradient: bool = True,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        options: Any = {"input_gradient": input_gradient, "gradients": gradients}
        if not isinstance(saved, Pass):
            return super().min_lstm_backward(dh, dstate, saved, w_x, **options)
        dx, dw, (first,) = self.recurrent_backward((dh, dstate), saved, w_x, **options)
        return dx, *dw[:2], first
