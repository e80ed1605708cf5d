"""Generic kernels: the GRU, one step at a time, as the equations are written."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.activations import ActivationKernels
from lamina.backends.generic.dense import DenseKernels
from lamina.backends.generic.scan import ScanKernels
from lamina.backends.kernels import adding

__all__ = ["GRUKernels"]


class GRUKernels(ScanKernels, DenseKernels, ActivationKernels):
    """The gated recurrent unit. Gates lie side by side in the weights' last axis: r, z, n."""

    def gru_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        b_h: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reset_after: bool = True,
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run the GRU over the time axis; as the extended kernel without a mask."""
        return GRUKernels.extended_gru_forward(
            self, x, w_x, w_h, b, b_h, state, lengths, reset_after=reset_after, reverse=reverse
        )

    @adding
    def gru_backward(
        self,
        dh: Array | None,
        dstate: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Array, Array, Array, Array, Array]:
        """Return dx, dw_x, dw_h, db, db_h and dstate; as the extended kernel."""
        return GRUKernels.extended_gru_backward(self, dh, dstate, saved, w_x, w_h, input_gradient=input_gradient)

    def extended_gru_forward(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        b_h: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reset_after: bool = True,
        state_mask: Array | None = None,
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run the GRU over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        w_x : (features, 3 units); w_h : (units, 3 units); b : (3 units,) or None
        b_h : (units,) or None
            With ``reset_after``: added to h w_h of the candidate n, before the reset gate.
        state : (batch, units) or None for zeros
        lengths : (batch,) integers on the host, or None
        reset_after : bool
            Whether the reset gate multiplies the product h w_h (PyTorch's and cuDNN's form) or h (the paper's).
        state_mask : (batch, units) or None
            By what each row's state is multiplied, at every step, where it enters the product with w_h: the mask of
            recurrent dropout (Gal & Ghahramani, 2016). What a gate carries on to the next step stays whole.

        Returns
        -------
        h : (batch, time, units), 0 past each row's end
        state : (batch, units), each row's last
        saved : for `extended_gru_backward`
        """
        xp = self.xp
        units = w_h.shape[0]
        w_gates, w_new = w_h[:, : 2 * units], w_h[:, 2 * units :]

        def step(a: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
            (before,) = states
            taken = self.masked(before, state_mask)
            gates, _ = self.sigmoid_forward(a[:, : 2 * units] + self.matmul(taken, w_gates))
            r, z = self.split(gates, [units, units], -1)
            if reset_after:
                product = self.matmul(taken, w_new)
                if b_h is not None:
                    product = product + b_h
                n = xp.tanh(a[:, 2 * units :] + r * product)
            else:
                product = r * taken
                n = xp.tanh(a[:, 2 * units :] + self.matmul(product, w_new))
            return ((1 - z) * n + z * before,), (before, taken, r, z, n, product)

        projected, dense = self.dense_forward(self.zero_past(x, lengths), w_x, b)
        start = self.initial_states((state,), (x.shape[0], units), x.dtype)
        outputs, (last,), scan = self.scan_forward(step, projected, start, lengths, reverse=reverse)
        return outputs, last, (dense, scan, projected.shape, reset_after, state_mask)

    @adding
    def extended_gru_backward(
        self,
        dh: Array | None,
        dstate: Array | None,
        saved: Saved,
        w_x: Array,
        w_h: Array,
        *,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Array, Array, Array, Array, Array]:
        """Propagate the gradients of the outputs and of the last state, either of them None, back through time.

        Returns
        -------
        dx : (batch, time, features); None without ``input_gradient``
        dw_x, dw_h, db, db_h : like the parameters
        dstate : (batch, units), of the initial state
        """
        xp = self.xp
        dense, scan, shape, reset_after, state_mask = saved
        units = w_h.shape[0]
        w_gates, w_new = w_h[:, : 2 * units], w_h[:, 2 * units :]
        dw_gates, dw_new = self.zeros(w_gates.shape, w_h.dtype), self.zeros(w_new.shape, w_h.dtype)
        db_h = self.zeros((units,), w_h.dtype)

        def step_backward(gradients: tuple[Array, ...], kept: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
            nonlocal dw_gates, dw_new, db_h
            (dnew,) = gradients
            before, taken, r, z, n, product = kept
            dn = dnew * (1 - z) * (1 - n * n)
            dz = dnew * (before - n) * z * (1 - z)
            if reset_after:
                dproduct = dn * r
                dr = dn * product * r * (1 - r)
                dtaken = self.matmul(dproduct, w_new.T)
                dw_new = dw_new + self.matmul(taken.T, dproduct)
                db_h = db_h + xp.sum(dproduct, axis=0)
            else:
                dproduct = self.matmul(dn, w_new.T)
                dr = dproduct * taken * r * (1 - r)
                dtaken = dproduct * r
                dw_new = dw_new + self.matmul(product.T, dn)
            dgates = xp.concat([dr, dz], axis=-1)
            dw_gates = dw_gates + self.matmul(taken.T, dgates)
            dtaken = dtaken + self.matmul(dgates, w_gates.T)
            return xp.concat([dgates, dn], axis=-1), (dnew * z + self.masked(dtaken, state_mask),)

        last = self.initial_states((dstate,), (shape[0], units), w_h.dtype)
        steps, (dfirst,) = self.scan_backward(step_backward, dh, last, scan)
        da = self.stack_steps(steps, shape, w_h.dtype)
        dx, dw_x, db = self.dense_backward(da, dense, w_x, input_gradient=input_gradient)
        return dx, dw_x, xp.concat([dw_gates, dw_new], axis=1), db, db_h, dfirst
