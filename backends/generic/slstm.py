"""Generic kernels: the sLSTM, one step at a time, as the equations are written."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.activations import ActivationKernels
from lamina.backends.generic.dense import DenseKernels
from lamina.backends.generic.scan import ScanKernels

__all__ = ["MOST", "SLSTMKernels"]

# The exponent of f' where there is nothing yet to forget (n = 0) may be any: this far it stays finite in float32.
MOST = 80.0


class SLSTMKernels(ScanKernels, DenseKernels, ActivationKernels):
    """The LSTM with exponential gates. Gates lie side by side in the weights' last axis: i, f, z, o."""

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
        """Run the sLSTM over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        w_x : (features, 4 units); w_h : (units, 4 units); b : (4 units,) or None
        h, c, n, m : (batch, units) or None for zeros
            The output, the cell, its normalizer, and the logarithm by which both are scaled.
        lengths : (batch,) integers on the host, or None
        forget : str
            ``"sigmoid"`` or ``"exp"``: what the forget gate is.

        Returns
        -------
        h : (batch, time, units), 0 past each row's end
        states : (h, c, n, m), each (batch, units), each row's last
        saved : for `slstm_backward`
        """
        xp = self.xp
        units = w_h.shape[0]

        def step(a: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
            before, cell, normalizer, scale = states
            i, f, z, o = self.split(a + self.matmul(before, w_h), [units] * 4, -1)
            z, o = xp.tanh(z), self.sigmoid_forward(o)[0]
            if forget == "exp":
                slope = xp.ones_like(f)
            else:  # log sigmoid(f), and its slope
                slope = self.sigmoid_forward(-f)[0]
                f = xp.minimum(f, self.zeros((), f.dtype)) - xp.log1p(xp.exp(-xp.abs(f)))
            carried = f + scale
            through_f = (carried > i) & (normalizer != 0)
            new_scale = xp.where(through_f, carried, i)
            f = xp.exp(xp.minimum(carried - new_scale, xp.full_like(f, MOST)))
            i = xp.exp(i - new_scale)
            new_cell, new_normalizer = f * cell + i * z, f * normalizer + i
            average = new_cell / new_normalizer
            after = o * average, new_cell, new_normalizer, new_scale
            return after, (before, cell, normalizer, i, f, z, o, slope, average, new_normalizer, through_f)

        projected, dense = self.dense_forward(self.zero_past(x, lengths), w_x, b)
        start = self.initial_states((h, c, n, m), (x.shape[0], units), x.dtype)
        outputs, (h, c, n, m), scan = self.scan_forward(step, projected, start, lengths, reverse=reverse)
        return outputs, (h, c, n, m), (dense, scan, projected.shape)

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
    ) -> tuple[Array | None, Array, Array, Array, tuple[Array, ...]]:
        """Propagate the gradients of the outputs and of the last states, any of them None, back through time.

        Returns
        -------
        dx : (batch, time, features); None without ``input_gradient``
        dw_x, dw_h, db : like the parameters
        dstates : (dh, dc, dn, dm) of the initial states
        """
        xp = self.xp
        dense, scan, shape = saved
        units = w_h.shape[0]
        dw_h = self.zeros(w_h.shape, w_h.dtype)

        def step_backward(gradients: tuple[Array, ...], kept: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
            nonlocal dw_h
            dnew, dcell, dnormalizer, dscale = gradients
            before, cell, normalizer, i, f, z, o, slope, average, new_normalizer, through_f = kept
            by_average = dnew * (o / new_normalizer)
            dcell, dnormalizer = dcell + by_average, dnormalizer - by_average * average
            # Of the exponents log f + m' - m and log i - m:
            df, di = (dcell * cell + dnormalizer * normalizer) * f, (dcell * z + dnormalizer) * i
            dscale = dscale - df - di
            zero = xp.zeros_like(df)
            df, di = df + xp.where(through_f, dscale, zero), di + xp.where(through_f, zero, dscale)
            da = xp.concat([di, df * slope, dcell * i * (1 - z * z), dnew * average * o * (1 - o)], axis=-1)
            dw_h = dw_h + self.matmul(before.T, da)
            return da, (self.matmul(da, w_h.T), dcell * f, dnormalizer * f, df)

        last = self.initial_states((dh_last, dc_last, dn_last, dm_last), (shape[0], units), w_h.dtype)
        steps, first = self.scan_backward(step_backward, dh, last, scan)
        da = self.stack_steps(steps, shape, w_h.dtype)
        dx, dw_x, db = self.dense_backward(da, dense, w_x, input_gradient=input_gradient)
        return dx, dw_x, dw_h, db, first
