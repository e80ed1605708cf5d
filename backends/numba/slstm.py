"""The sLSTM on Numba: compiled passes."""

from __future__ import annotations

from typing import Any

from lamina.backends.arrays import Array, Gradients, Saved
from lamina.backends.numba.recurrence import NumbaRecurrentKernels, Pass
from lamina.backends.numpy.slstm import NumPySLSTMKernels

__all__ = ["NumbaSLSTMKernels"]


class NumbaSLSTMKernels(NumbaRecurrentKernels, NumPySLSTMKernels):
    """The sLSTM."""

    def slstm_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        h: Array | None,
        c: Array | None,
        n: Array | None,
        m: Array | None,
        lengths: Array | None,
        *,
        forget: str = "sigmoid",
        reverse: bool = False,
    ) -> tuple[Array, tuple[Array, Array, Array, Array], Saved]:
        """Run the sLSTM over the time axis; as the generic kernel."""
        weights, states = (w_x, w_h, b), (h, c, n, m)
        found = self.recurrent_forward("slstm", x, weights, states, lengths, forget=forget, reverse=reverse)
        if found is None:
            return super().slstm_forward(x, *weights, *states, lengths, forget=forget, reverse=reverse)
        (y, *last), saved = found
        return y, (last[0], last[1], last[2], last[3]), saved

    def slstm_backward(
        self,
        dh: Array | None,
        dh_last: Array | None,
        dc_last: Array | None,
        dn_last: Array | None,
        dm_last: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
        gradients: Gradients | None = None,
    ) -> tuple[Array | None, Array, Array, Array, tuple[Array, ...]]:
        """Propagate gradients back through time; as the generic kernel."""
        upstream = dh, dh_last, dc_last, dn_last, dm_last
        options: Any = {"input_gradient": input_gradient, "gradients": gradients}
        if not isinstance(saved, Pass):
            return super().slstm_backward(*upstream, saved, w_x, w_h, **options)
        dx, dw, first = self.recurrent_backward(upstream, saved, w_x, w_h, **options)
        return dx, *dw[:3], tuple(first)
