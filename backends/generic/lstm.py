"""Generic kernels: the LSTM, one step at a time, as the equations are written."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.activations import ActivationKernels
from lamina.backends.generic.dense import DenseKernels
from lamina.backends.generic.scan import ScanKernels
from lamina.backends.kernels import adding

__all__ = ["LSTMKernels"]


class LSTMKernels(ScanKernels, DenseKernels, ActivationKernels):
    """Long short-term memory. Gates lie side by side in the weights' last axis: i, f, g, o."""

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
        """Run the LSTM over the time axis; as the extended kernel, without mask and projection."""
        return LSTMKernels.extended_lstm_forward(self, x, w_x, w_h, b, h, c, lengths, reverse=reverse)

    @adding
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
    ) -> tuple[Array | None, Array, Array, Array, tuple[Array, Array]]:
        """Return dx, dw_x, dw_h, db and (dh, dc); as the extended kernel."""
        dx, dw_x, dw_h, db, _, dstates = LSTMKernels.extended_lstm_backward(
            self, dh, dh_last, dc_last, saved, w_x, w_h, input_gradient=input_gradient
        )
        return dx, dw_x, dw_h, db, dstates

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
        """Run the LSTM over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        w_x : (features, 4 units); w_h : (units, 4 units); b : (4 units,) or None
        h, c : (batch, units) or None for zeros
        lengths : (batch,) integers on the host, or None
        state_mask : (batch, units) or None
            By what each row's state is multiplied, at every step, where it enters the product with w_h: the mask of
            recurrent dropout (Gal & Ghahramani, 2016). What a gate carries on to the next step stays whole.
        w_p : (units, projection) or None
            Projects what the gates let out, h = (o tanh(c)) w_p (Sak et al., 2014): h, the mask and the rows of w_h
            are of the size of the projection then.

        Returns
        -------
        h : (batch, time, units), 0 past each row's end
        states : (h, c), each (batch, units), each row's last
        saved : for `extended_lstm_backward`
        """
        xp = self.xp
        size, units = w_h.shape[0], w_h.shape[1] // 4

        def step(a: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
            taken, cell = self.masked(states[0], state_mask), states[1]
            i, f, g, o = self.split(a + self.matmul(taken, w_h), [units] * 4, -1)
            i, f, o = (self.sigmoid_forward(gate)[0] for gate in (i, f, o))
            g = xp.tanh(g)
            new = f * cell + i * g
            squashed = xp.tanh(new)
            out = o * squashed
            return (out if w_p is None else self.matmul(out, w_p), new), (taken, cell, i, f, g, o, squashed)

        projected, dense = self.dense_forward(self.zero_past(x, lengths), w_x, b)
        batch, dtype = x.shape[0], x.dtype
        start = self.initial_states((h,), (batch, size), dtype) + self.initial_states((c,), (batch, units), dtype)
        outputs, (h, c), scan = self.scan_forward(step, projected, start, lengths, reverse=reverse)
        return outputs, (h, c), (dense, scan, projected.shape, state_mask, w_p)

    @adding
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
    ) -> tuple[Array | None, Array, Array, Array, Array | None, tuple[Array, Array]]:
        """Propagate the gradients of the outputs and of the last states, any of them None, back through time.

        Returns
        -------
        dx : (batch, time, features); None without ``input_gradient``
        dw_x, dw_h, db, dw_p : like the parameters; dw_p is None where the forward had no w_p
        dstates : (dh, dc) of the initial states
        """
        xp = self.xp
        dense, scan, shape, state_mask, w_p = saved
        size, units = w_h.shape[0], w_h.shape[1] // 4
        dw_h = self.zeros(w_h.shape, w_h.dtype)
        dw_p = None if w_p is None else self.zeros(w_p.shape, w_p.dtype)

        def step_backward(gradients: tuple[Array, ...], kept: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
            nonlocal dw_h, dw_p
            dnew, dcell = gradients
            taken, cell, i, f, g, o, squashed = kept
            if w_p is not None:
                dw_p = dw_p + self.matmul((o * squashed).T, dnew)
                dnew = self.matmul(dnew, w_p.T)
            dcell = dcell + dnew * o * (1 - squashed * squashed)
            da = xp.concat(
                [
                    dcell * g * i * (1 - i),
                    dcell * cell * f * (1 - f),
                    dcell * i * (1 - g * g),
                    dnew * squashed * o * (1 - o),
                ],
                axis=-1,
            )
            dw_h = dw_h + self.matmul(taken.T, da)
            return da, (self.masked(self.matmul(da, w_h.T), state_mask), dcell * f)

        batch, dtype = shape[0], w_h.dtype
        last = self.initial_states((dh_last,), (batch, size), dtype)
        last += self.initial_states((dc_last,), (batch, units), dtype)
        steps, (dh_first, dc_first) = self.scan_backward(step_backward, dh, last, scan)
        da = self.stack_steps(steps, shape, w_h.dtype)
        dx, dw_x, db = self.dense_backward(da, dense, w_x, input_gradient=input_gradient)
        return dx, dw_x, dw_h, db, dw_p, (dh_first, dc_first)
