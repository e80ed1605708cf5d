"""Generic kernels: the GRU whose sums are normalized, one step at a time, as the equations are written."""

from __future__ import annotations

from typing import Any

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.activations import ActivationKernels
from lamina.backends.generic.dense import DenseKernels
from lamina.backends.generic.normalization import NormalizationKernels
from lamina.backends.generic.scan import ScanKernels
from lamina.backends.kernels import adding

__all__ = ["LayerNormGRUKernels"]


class LayerNormGRUKernels(ScanKernels, DenseKernels, ActivationKernels, NormalizationKernels):
    """The layer-normalized gated recurrent unit (Ba et al., 2016). Gates lie side by side: r, z, n."""

    def layer_norm_gru_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        b_h: Array | None,
        scale_x: Array,
        scale_h: Array,
        state: Array | None,
        lengths: Array | None,
        *,
        epsilon: float,
        state_mask: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run the layer-normalized GRU over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        w_x : (features, 3 units); w_h : (units, 3 units); b : (3 units,) or None; b_h : (units,) or None
        scale_x, scale_h : (3 units,)
        state : (batch, units) or None for zeros
        lengths : (batch,) integers on the host, or None
        epsilon : float
            Added to each variance.
        state_mask : (batch, units) or None
            As of the GRU.

        Returns
        -------
        h : (batch, time, units), 0 past each row's end
        state : (batch, units), each row's last
        saved : for `layer_norm_gru_backward`
        """
        xp = self.xp
        units = w_h.shape[0]

        def step(a: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
            (before,) = states
            taken = self.masked(before, state_mask)
            gates, product, sums = self._normalized_parts(self.matmul(taken, w_h), scale_h, epsilon)
            r, z = self.split(self.sigmoid_forward(a[:, : 2 * units] + gates)[0], [units, units], -1)
            if b_h is not None:
                product = product + b_h
            n = xp.tanh(a[:, 2 * units :] + r * product)
            return ((1 - z) * n + z * before,), (before, taken, r, z, n, product, sums)

        projected, dense = self.dense_forward(self.zero_past(x, lengths), w_x, None)
        *parts, inputs = self._normalized_parts(projected, scale_x, epsilon)
        normalized = xp.concat(parts, axis=-1)
        normalized = normalized if b is None else normalized + b
        start = self.initial_states((state,), (x.shape[0], units), x.dtype)
        outputs, (last,), scan = self.scan_forward(step, normalized, start, lengths, reverse=reverse)
        return outputs, last, (dense, inputs, scan, projected.shape, state_mask, (scale_x, scale_h))

    @adding
    def layer_norm_gru_backward(
        self,
        dh: Array | None,
        dstate: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
    ) -> tuple[Any, ...]:
        """Propagate the gradients of the outputs and of the last state, either of them None, back through time.

        Returns
        -------
        dx : (batch, time, features); None without ``input_gradient``
        dw_x, dw_h, db, db_h, dscale_x, dscale_h : like the parameters
        dstate : (batch, units), of the initial state
        """
        xp = self.xp
        dense, inputs, scan, shape, state_mask, (scale_x, scale_h) = saved
        units = w_h.shape[0]
        totals = [self.zeros(size, w_h.dtype) for size in (w_h.shape, (units,), scale_h.shape)]

        def step_backward(gradients: tuple[Array, ...], kept: tuple[Any, ...]) -> tuple[Array, tuple[Array, ...]]:
            (dnew,) = gradients
            before, taken, r, z, n, product, sums = kept
            dn = dnew * (1 - z) * (1 - n * n)
            dz = dnew * (before - n) * z * (1 - z)
            dr = dn * product * r * (1 - r)
            dgates = xp.concat([dr, dz], axis=-1)
            dsums, dscale_h = self._back_through_parts(xp.concat([dgates, dn * r], axis=-1), sums, scale_h)
            steps = self.matmul(taken.T, dsums), xp.sum(dn * r, axis=0), dscale_h
            totals[:] = [total + one for total, one in zip(totals, steps, strict=True)]
            return xp.concat([dgates, dn], axis=-1), (dnew * z + self.masked(self.matmul(dsums, w_h.T), state_mask),)

        last = self.initial_states((dstate,), (shape[0], units), w_h.dtype)
        steps, (dfirst,) = self.scan_backward(step_backward, dh, last, scan)
        da = self.stack_steps(steps, shape, w_h.dtype)
        db = xp.sum(da, axis=(0, 1))
        dprojected, dscale_x = self._back_through_parts(da, inputs, scale_x)
        dx, dw_x, _ = self.dense_backward(dprojected, dense, w_x, input_gradient=input_gradient)
        dw_h, db_h, dscale_h = totals
        return dx, dw_x, dw_h, db, db_h, dscale_x, dscale_h, dfirst

    def _normalized_parts(self, sums: Array, scale: Array, epsilon: float) -> tuple[Array, Array, Saved]:
        """Return the sums (..., 3 units) of r and z, normalized together, those of n, and what the backward needs."""
        units = scale.shape[0] // 3
        (a, b), (scale_a, scale_b) = (self.split(one, [2 * units, units], -1) for one in (sums, scale))
        gates, first = self.layer_norm_forward(a, scale_a, None, epsilon=epsilon)
        new, second = self.layer_norm_forward(b, scale_b, None, epsilon=epsilon)
        return gates, new, (first, second)

    def _back_through_parts(self, dy: Array, saved: Saved, scale: Array) -> tuple[Array, Array]:
        """Return the gradients of the sums and of the scale."""
        units = scale.shape[0] // 3
        (da, db), (scale_a, scale_b) = (self.split(one, [2 * units, units], -1) for one in (dy, scale))
        dgates, dscale_a, _ = self.layer_norm_backward(da, saved[0], scale_a)
        dnew, dscale_b, _ = self.layer_norm_backward(db, saved[1], scale_b)
        return self.xp.concat([dgates, dnew], axis=-1), self.xp.concat([dscale_a, dscale_b], axis=0)
