"""MinGRU, MinLSTM, the LRU and the IndRNN on Numba: compiled passes."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.numba.recurrence import NumbaRecurrentKernels, Pass
from lamina.backends.numpy.ind_rnn import NumPyIndRNNKernels
from lamina.backends.numpy.lru import NumPyLRUKernels
from lamina.backends.numpy.min_rnn import NumPyMinRNNKernels

__all__ = ["NumbaScanKernels"]


class NumbaScanKernels(NumbaRecurrentKernels, NumPyMinRNNKernels, NumPyLRUKernels, NumPyIndRNNKernels):
    """Recurrences of each unit by itself; an LRU of other outputs than its state has numbers runs as NumPy's."""

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
        self, dh: Array | None, dstate: Array | None, saved: Saved, w_x: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        if not isinstance(saved, Pass):
            return super().min_gru_backward(dh, dstate, saved, w_x, input_gradient=input_gradient)
        return self._back(dh, dstate, saved, w_x, input_gradient)

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
        self, dh: Array | None, dstate: Array | None, saved: Saved, w_x: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array, Array]:
        """Propagate gradients back through time; as the generic kernel."""
        if not isinstance(saved, Pass):
            return super().min_lstm_backward(dh, dstate, saved, w_x, input_gradient=input_gradient)
        return self._back(dh, dstate, saved, w_x, input_gradient)

    def _back(
        self, dh: Array | None, dstate: Array | None, saved: Pass, w_x: Array, input_gradient: bool
    ) -> tuple[Array | None, Array, Array, Array]:
        dx, (dw_x, db), (first,) = self.recurrent_backward((dh, dstate), saved, w_x, input_gradient=input_gradient)
        return dx, dw_x, db, first

    def lru_forward(
        self,
        x: Array,
        eigenvalues: Array,
        w_b: Array,
        w_c: Array,
        w_d: Array,
        y: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, tuple[Array, Array], Saved]:
        """Run the unit over the time axis; as the generic kernel."""
        weights, found = (eigenvalues, w_b, w_c, w_d), None
        if len(w_c) == 2 * w_c.shape[1]:
            found = self.recurrent_forward("lru", x, weights, (y, state), lengths, reverse=reverse)
        if found is None:
            return super().lru_forward(x, *weights, y, state, lengths, reverse=reverse)
        (outputs, *last), saved = found
        return outputs, (last[0], last[1]), saved

    def lru_backward(
        self,
        dy: Array | None,
        dy_last: Array | None,
        dstate: Array | None,
        saved: Saved,
        eigenvalues: Array,
        w_b: Array,
        w_c: Array,
        w_d: Array,
        *,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Array, Array, Array, Array, tuple[Array, Array]]:
        """Propagate gradients back through time; as the generic kernel."""
        upstream, weights = (dy, dy_last, dstate), (eigenvalues, w_b, w_c, w_d)
        if not isinstance(saved, Pass):
            return super().lru_backward(*upstream, saved, *weights, input_gradient=input_gradient)
        dx, dw, first = self.recurrent_backward(upstream, saved, *weights, input_gradient=input_gradient)
        return dx, dw[0], dw[1], dw[2], dw[3], (first[0], first[1])

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
