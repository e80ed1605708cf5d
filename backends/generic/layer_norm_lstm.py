"""Generic kernels: the LSTM whose sums and cell state are normalized, step by step, as the equations are written."""

from __future__ import annotations

from typing import Any

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.activations import ActivationKernels
from lamina.backends.generic.dense import DenseKernels
from lamina.backends.generic.normalization import NormalizationKernels
from lamina.backends.generic.scan import ScanKernels
from lamina.backends.kernels import adding

__all__ = ["LayerNormLSTMKernels"]


class LayerNormLSTMKernels(ScanKernels, DenseKernels, ActivationKernels, NormalizationKernels):
    """Layer-normalized long short-term memory (Ba et al., 2016). Gates lie side by side: i, f, g, o."""

    def layer_norm_lstm_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        scale_x: Array,
        scale_h: Array,
        scale_c: Array,
        shift_c: Array,
        h: Array | None,
        c: Array | None,
        lengths: Array | None,
        *,
        epsilon: float,
        state_mask: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, tuple[Array, Array], Saved]:
        """Run the layer-normalized LSTM over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        w_x : (features, 4 units); w_h : (units, 4 units); b : (4 units,) or None
        scale_x, scale_h : (4 units,); scale_c, shift_c : (units,)
        h, c : (batch, units) or None for zeros
        lengths : (batch,) integers on the host, or None
        epsilon : float
            Added to each variance.
        state_mask : (batch, units) or None
            As of the LSTM.

        Returns
        -------
        h : (batch, time, units), 0 past each row's end
        states : (h, c), each (batch, units), each row's last
        saved : for `layer_norm_lstm_backward`
        """
        xp = self.xp
        units = w_h.shape[0]

        def step(a: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
            taken, cell = self.masked(states[0], state_mask), states[1]
            normalized, sums = self.layer_norm_forward(self.matmul(taken, w_h), scale_h, None, epsilon=epsilon)
            i, f, g, o = self.split(a + normalized, [units] * 4, -1)
            i, f, o = (self.sigmoid_forward(gate)[0] for gate in (i, f, o))
            g = xp.tanh(g)
            new = f * cell + i * g
            normalized, cells = self.layer_norm_forward(new, scale_c, shift_c, epsilon=epsilon)
            squashed = xp.tanh(normalized)
            return (o * squashed, new), (taken, cell, i, f, g, o, squashed, sums, cells)

        projected, dense = self.dense_forward(self.zero_past(x, lengths), w_x, None)
        projected, inputs = self.layer_norm_forward(projected, scale_x, b, epsilon=epsilon)
        start = self.initial_states((h, c), (x.shape[0], units), x.dtype)
        outputs, (h, c), scan = self.scan_forward(step, projected, start, lengths, reverse=reverse)
        return outputs, (h, c), (dense, inputs, scan, projected.shape, state_mask, (scale_x, scale_h, scale_c))

    @adding
    def layer_norm_lstm_backward(
        self,
        dh: Array | None,
        dh_last: Array | None,
        dc_last: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
    ) -> tuple[Any, ...]:
        """Propagate the gradients of the outputs and of the last states, any of them None, back through time.

        Returns
        -------
        dx : (batch, time, features); None without ``input_gradient``
        dw_x, dw_h, db, dscale_x, dscale_h, dscale_c, dshift_c : like the parameters
        dstates : (dh, dc) of the initial states
        """
        xp = self.xp
        dense, inputs, scan, shape, state_mask, (scale_x, scale_h, scale_c) = saved
        units = w_h.shape[0]
        totals = [self.zeros(size, w_h.dtype) for size in (w_h.shape, scale_h.shape, scale_c.shape, scale_c.shape)]

        def step_backward(gradients: tuple[Array, ...], kept: tuple[Any, ...]) -> tuple[Array, tuple[Array, ...]]:
            dnew, dcell = gradients
            taken, cell, i, f, g, o, squashed, sums, cells = kept
            through, dscale_c, dshift_c = self.layer_norm_backward(dnew * o * (1 - squashed * squashed), cells, scale_c)
            dcell = dcell + through
            da = xp.concat(
                [
                    dcell * g * i * (1 - i),
                    dcell * cell * f * (1 - f),
                    dcell * i * (1 - g * g),
                    dnew * squashed * o * (1 - o),
                ],
                axis=-1,
            )
            dproduct, dscale_h, _ = self.layer_norm_backward(da, sums, scale_h)
            steps = self.matmul(taken.T, dproduct), dscale_h, dscale_c, dshift_c
            totals[:] = [total + one for total, one in zip(totals, steps, strict=True)]
            return da, (self.masked(self.matmul(dproduct, w_h.T), state_mask), dcell * f)

        last = self.initial_states((dh_last, dc_last), (shape[0], units), w_h.dtype)
        steps, dfirst = self.scan_backward(step_backward, dh, last, scan)
        da = self.stack_steps(steps, shape, w_h.dtype)
        dprojected, dscale_x, db = self.layer_norm_backward(da, inputs, scale_x)
        dx, dw_x, _ = self.dense_backward(dprojected, dense, w_x, input_gradient=input_gradient)
        dw_h, *dscales = totals
        return dx, dw_x, dw_h, db, dscale_x, *dscales, dfirst
