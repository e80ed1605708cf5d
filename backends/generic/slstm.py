"""Generic kernels: the sLSTM, one step at a time, as the equations are written."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.activations import ActivationKernels
from lamina.backends.generic.dense import DenseKernels
from lamina.backends.generic.scan import ScanKernels
from lamina.backends.kernels import adding

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
            before, cell, normalizer, _ = states
            i, f, z, o = self._gates(a + self.matmul(before, w_h), units)
            if forget == "exp":
                slope = xp.ones_like(f)
            else:  # log sigmoid(f), and its slope
                slope = self.sigmoid_forward(-f)[0]
                f = self._log_sigmoid(f)
            i, f, scale, through_f = self._scaled(i, f, normalizer, states[3])
            new_cell, new_normalizer = f * cell + i * z, f * normalizer + i
            average = new_cell / new_normalizer
            after = o * average, new_cell, new_normalizer, scale
            return after, (before, cell, normalizer, i, f, z, o, slope, average, new_normalizer, through_f)

        projected, dense = self.dense_forward(self.zero_past(x, lengths), w_x, b)
        start = self.initial_states((h, c, n, m), (x.shape[0], units), x.dtype)
        outputs, (h, c, n, m), scan = self.scan_forward(step, projected, start, lengths, reverse=reverse)
        return outputs, (h, c, n, m), (dense, scan, projected.shape)

    @adding
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

    def slstm_step(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        h: Array,
        c: Array,
        n: Array,
        m: Array,
        *,
        forget: str = "sigmoid",
    ) -> tuple[Array, Array, Array, Array]:
        """Return the states after one step of x (batch, features), from states (batch, units)."""
        i, f, z, o = self._gates(self.dense_forward(x, w_x, b)[0] + self.matmul(h, w_h), w_h.shape[0])
        i, f, m, _ = self._scaled(i, f if forget == "exp" else self._log_sigmoid(f), n, m)
        c, n = f * c + i * z, f * n + i
        return o * (c / n), c, n, m

    def _gates(self, a: Array, units: int) -> tuple[Array, Array, Array, Array]:
        """Return log i, what the forget gate is made of, z and o."""
        i, f, z, o = self.split(a, [units] * 4, -1)
        return i, f, self.xp.tanh(z), self.sigmoid_forward(o)[0]

    def _log_sigmoid(self, a: Array) -> Array:
        """Return log sigmoid(a), which overflows nowhere."""
        xp = self.xp
        return xp.minimum(a, self.zeros((), a.dtype)) - xp.log1p(xp.exp(-xp.abs(a)))

    def _scaled(self, log_i: Array, log_f: Array, n: Array, m: Array) -> tuple[Array, Array, Array, Array]:
        """Return i and f divided by what the new m says, the new m, and where it came through f."""
        xp = self.xp
        carried = log_f + m
        through_f = (carried > log_i) & (n != 0)
        scale = xp.where(through_f, carried, log_i)
        f = xp.exp(xp.minimum(carried - scale, xp.full_like(carried, MOST)))
        return xp.exp(log_i - scale), f, scale, through_f
