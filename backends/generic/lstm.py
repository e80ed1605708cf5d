"""Generic kernels: the LSTM, one step at a time, as the equations are written."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.activations import ActivationKernels
from lamina.backends.generic.dense import DenseKernels
from lamina.backends.generic.scan import ScanKernels

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
        """Run the LSTM over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        w_x : (features, 4 units); w_h : (units, 4 units); b : (4 units,) or None
        h, c : (batch, units) or None for zeros
        lengths : (batch,) integers on the host, or None

        Returns
        -------
        h : (batch, time, units), 0 past each row's end
        states : (h, c), each (batch, units), each row's last
        saved : for `lstm_backward`
        """
        xp = self.xp
        units = w_h.shape[0]

        def step(a: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
            before, cell = states
            i, f, g, o = self.split(a + self.matmul(before, w_h), [units] * 4, -1)
            i, f, o = (self.sigmoid_forward(gate)[0] for gate in (i, f, o))
            g = xp.tanh(g)
            new = f * cell + i * g
            squashed = xp.tanh(new)
            return (o * squashed, new), (before, cell, i, f, g, o, squashed)

        projected, dense = self.dense_forward(self.zero_past(x, lengths), w_x, b)
        start = self.initial_states((h, c), (x.shape[0], units), x.dtype)
        outputs, (h, c), scan = self.scan_forward(step, projected, start, lengths, reverse=reverse)
        return outputs, (h, c), (dense, scan, projected.shape)

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
        """Propagate the gradients of the outputs and of the last states, any of them None, back through time.

        Returns
        -------
        dx : (batch, time, features); None without ``input_gradient``
        dw_x, dw_h, db : like the parameters
        dstates : (dh, dc) of the initial states
        """
        xp = self.xp
        dense, scan, shape = saved
        units = w_h.shape[0]
        dw_h = self.zeros(w_h.shape, w_h.dtype)

        def step_backward(gradients: tuple[Array, ...], kept: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
            nonlocal dw_h
            dnew, dcell = gradients
            before, cell, i, f, g, o, squashed = kept
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
            dw_h = dw_h + self.matmul(before.T, da)
            return da, (self.matmul(da, w_h.T), dcell * f)

        last = self.initial_states((dh_last, dc_last), (shape[0], units), w_h.dtype)
        steps, (dh_first, dc_first) = self.scan_backward(step_backward, dh, last, scan)
        da = self.stack_steps(steps, shape, w_h.dtype)
        dx, dw_x, db = self.dense_backward(da, dense, w_x, input_gradient=input_gradient)
        return dx, dw_x, dw_h, db, (dh_first, dc_first)
