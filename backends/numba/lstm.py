"""The LSTM on Numba: compiled passes."""

from __future__ import annotations

from typing import Any

from lamina.backends.arrays import Array, Gradients, Saved
from lamina.backends.numba.recurrence import NumbaRecurrentKernels, Pass
from lamina.backends.numpy.lstm import NumPyLSTMKernels

__all__ = ["NumbaLSTMKernels"]


class NumbaLSTMKernels(NumbaRecurrentKernels, NumPyLSTMKernels):
    """The LSTM."""

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
        """Run the LSTM over the time axis; as the generic kernel."""
        weights = w_x, w_h, b
        found = self.recurrent_forward("lstm", x, weights, (h, c), lengths, reverse=reverse)
        if found is None:
            return super().lstm_forward(x, w_x, w_h, b, h, c, lengths, reverse=reverse)
        (y, *last), saved = found
        return y, (last[0], last[1]), saved

    def lstm_backward(
        self,
        dh: Array | None,
        dh_last: Array | None,
        dc_last: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Array, Array, Array, tuple[Array, Array]]:
        """Propagate gradients back through time; as the generic kernel."""
        options: Any = {"input_gradient": input_gradient, "gradients": gradients}
        if not isinstance(saved, Pass):
            return super().lstm_backward(dh, dh_last, dc_last, saved, w_x, w_h, **options)
        dx, dw, first = self.recurrent_backward((dh, dh_last, dc_last), saved, w_x, w_h, **options)
        return dx, *dw[:3], (first[0], first[1])

    def extended_lstm_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        h: Array | None,
        c: Array | None,
        lengths: Array | None,
        *,
        state_mask: Array | None = None,
        w_p: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, tuple[Array, Array], Saved]:
        """Run the LSTM over the time axis, with a mask or a projection; as the generic kernel."""
        weights = (w_x, w_h, b) if w_p is None else (w_x, w_h, b, w_p)
        found = self.recurrent_forward("lstm", x, weights, (h, c), lengths, state_mask, reverse=reverse)
        if found is None:
            return super().extended_lstm_forward(
                x, w_x, w_h, b, h, c, lengths, state_mask=state_mask, w_p=w_p, reverse=reverse
            )
        (y, *last), saved = found
        return y, (last[0], last[1]), saved

    def extended_lstm_backward(
        self,
        dh: Array | None,
        dh_last: Array | None,
        dc_last: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Array, Array, Array, Array | None, tuple[Array, Array]]:
        """Propagate gradients back through time; as the generic kernel."""
        upstream = dh, dh_last, dc_last
        options: Any = {"input_gradient": input_gradient, "gradients": gradients}
        if not isinstance(saved, Pass):
            return super().extended_lstm_backward(*upstream, saved, w_x, w_h, **options)
        dx, dw, first = self.recurrent_backward(upstream, saved, w_x, w_h, **options)
        return dx, *dw[:3], dw[3] if len(dw) > 3 else None, (first[0], first[1])
