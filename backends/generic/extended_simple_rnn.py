"""Generic kernels: the simple recurrent layer with a mask of its state, apart from the plain one, to be read alone."""

from __future__ import annotations

from typing import Any

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.dense import DenseKernels
from lamina.backends.generic.scan import ScanKernels
from lamina.backends.kernels import adding

__all__ = ["ExtendedSimpleRNNKernels"]


class ExtendedSimpleRNNKernels(ScanKernels, DenseKernels):
    """The simple recurrent network, with what `SimpleRNNKernels` does not have."""

    def extended_simple_rnn_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        activation: str = "tanh",
        state_mask: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run h_t = f(x_t w_x + h_{t-1} w_h + b) over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        w_x : (features, units); w_h : (units, units); b : (units,) or None
        state : (batch, units) or None for zeros
        lengths : (batch,) integers on the host, or None
            Past a row's end x is not used, the output is 0, the state is frozen and the gradient is 0.
        activation : str
            f: the name of a pointwise kernel.
        state_mask : (batch, units) or None
            By what each row's state is multiplied, at every step, where it enters the product with w_h: the mask of
            recurrent dropout (Gal & Ghahramani, 2016). What a gate carries on to the next step stays whole.
        reverse : bool
            Each row is read from its last valid step to its first; the output of step t is the state after it.

        Returns
        -------
        h : (batch, time, units), 0 past each row's end
        state : (batch, units), each row's last
        saved : for `extended_simple_rnn_backward`
        """
        f, _ = self.pair(activation)

        def step(a: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, Any]]:
            (before,) = states
            taken = self.masked(before, state_mask)
            new, slope = f(a + self.matmul(taken, w_h))
            return (new,), (taken, slope)

        projected, dense = self.dense_forward(self.zero_past(x, lengths), w_x, b)
        start = self.initial_states((state,), (x.shape[0], w_h.shape[0]), x.dtype)
        h, (last,), scan = self.scan_forward(step, projected, start, lengths, reverse=reverse)
        return h, last, (dense, scan, projected.shape, activation, state_mask)

    @adding
    def extended_simple_rnn_backward(
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
        dense, scan, shape, activation, state_mask = saved
        _, slope_of = self.pair(activation)
        dw_h = self.zeros(w_h.shape, w_h.dtype)

        def step_backward(gradients: tuple[Array, ...], kept: tuple[Array, Any]) -> tuple[Array, tuple[Array, ...]]:
            nonlocal dw_h
            taken, slope = kept
            da = slope_of(gradients[0], slope)
            dw_h = dw_h + self.matmul(taken.T, da)
            return da, (self.masked(self.matmul(da, w_h.T), state_mask),)

        last = self.initial_states((dstate,), (shape[0], w_h.shape[0]), w_h.dtype)
        steps, (dfirst,) = self.scan_backward(step_backward, dh, last, scan)
        da = self.stack_steps(steps, shape, w_h.dtype)
        dx, dw_x, db = self.dense_backward(da, dense, w_x, input_gradient=input_gradient)
        return dx, dw_x, dw_h, db, dfirst
