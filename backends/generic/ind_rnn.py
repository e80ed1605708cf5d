"""Generic kernels: the independently recurrent layer, one step at a time, as the equation is written."""

from __future__ import annotations

from typing import Any

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.dense import DenseKernels
from lamina.backends.generic.scan import ScanKernels
from lamina.backends.kernels import adding

__all__ = ["IndRNNKernels"]


class IndRNNKernels(ScanKernels, DenseKernels):
    """The recurrent network whose units each see only their own state."""

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
        """Run h_t = f(x_t w_x + w_h h_{t-1} + b), the second product element by element, over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        w_x : (features, units); w_h : (units,); b : (units,) or None
        state : (batch, units) or None for zeros
        lengths : (batch,) integers on the host, or None
        activation : str
            f: the name of a pointwise kernel.

        Returns
        -------
        h : (batch, time, units), 0 past each row's end
        state : (batch, units), each row's last
        saved : for `ind_rnn_backward`
        """
        f, _ = self.pair(activation)

        def step(a: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, Any]]:
            (before,) = states
            new, slope = f(a + before * w_h)
            return (new,), (before, slope)

        projected, dense = self.dense_forward(self.zero_past(x, lengths), w_x, b)
        start = self.initial_states((state,), (x.shape[0], w_h.shape[0]), x.dtype)
        h, (last,), scan = self.scan_forward(step, projected, start, lengths, reverse=reverse)
        return h, last, (dense, scan, projected.shape, activation)

    @adding
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
        """Propagate the gradients of h and of the last state, either of which may be None, back through time.

        Returns
        -------
        dx : (batch, time, features); None without ``input_gradient``
        dw_x, dw_h, db : like the parameters
        dstate : (batch, units), of the initial state
        """
        dense, scan, shape, activation = saved
        _, slope_of = self.pair(activation)
        dw_h = self.zeros(w_h.shape, w_h.dtype)

        def step_backward(gradients: tuple[Array, ...], kept: tuple[Array, Any]) -> tuple[Array, tuple[Array, ...]]:
            nonlocal dw_h
            before, slope = kept
            da = slope_of(gradients[0], slope)
            dw_h = dw_h + self.xp.sum(before * da, axis=0)
            return da, (da * w_h,)

        last = self.initial_states((dstate,), (shape[0], w_h.shape[0]), w_h.dtype)
        steps, (dfirst,) = self.scan_backward(step_backward, dh, last, scan)
        da = self.stack_steps(steps, shape, w_h.dtype)
        dx, dw_x, db = self.dense_backward(da, dense, w_x, input_gradient=input_gradient)
        return dx, dw_x, dw_h, db, dfirst

    def ind_rnn_step(
        self, x: Array, w_x: Array, w_h: Array, b: Array | None, h: Array, *, activation: str = "relu"
    ) -> Array:
        """Return h' = f(x w_x + w_h h + b) for x (batch, features), h (batch, units)."""
        new: Array = self.pair(activation)[0](self.dense_forward(x, w_x, b)[0] + h * w_h)[0]
        return new
