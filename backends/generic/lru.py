"""Generic kernels: the linear recurrent unit, one step at a time, its complex state as two real halves."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.dense import DenseKernels
from lamina.backends.generic.scan import ScanKernels
from lamina.backends.kernels import adding

__all__ = ["LRUKernels"]


class LRUKernels(ScanKernels, DenseKernels):
    """The linear recurrent unit. Real parts lie before imaginary ones in every axis of 2 units."""

    def lru_forward(
        self,
        x: Array,
        eigenvalues: Array,
        w_b: Array,
        w_c: Array,
        w_d: Array,
        y: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, tuple[Array, Array], Saved]:
        """Run s_t = l s_{t-1} + g (x_t w_b), y_t = s_t w_c + x_t w_d over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        eigenvalues : (3 units,)
            log n, log p and log g side by side, with l = exp(-n + i p).
        w_b : (features, 2 units); w_c : (2 units, outputs); w_d : (features, outputs)
        y : (batch, outputs) or None for zeros
            The last output of a row without steps.
        state : (batch, 2 units) or None for zeros
        lengths : (batch,) integers on the host, or None

        Returns
        -------
        y : (batch, time, outputs), 0 past each row's end
        states : the last output and s of each row
        saved : for `lru_backward`
        """
        units, outputs = w_c.shape[0] // 2, w_d.shape[1]
        real, imaginary, gain = self._eigenvalues(eigenvalues)

        def step(a: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
            re, im = self.split(states[1], [units] * 2, -1)
            new = self.xp.concat([real * re - imaginary * im, imaginary * re + real * im], axis=-1) + a[:, : 2 * units]
            return (self.matmul(new, w_c) + a[:, 2 * units :], new), (re, im, new)

        x = self.zero_past(x, lengths)
        entering, dense = self.dense_forward(x, w_b, None)
        past, dense_d = self.dense_forward(x, w_d, None)
        a = self.xp.concat([entering * self.xp.concat([gain, gain]), past], axis=-1)
        batch = x.shape[0]
        (y,) = self.initial_states((y,), (batch, outputs), x.dtype)
        (state,) = self.initial_states((state,), (batch, 2 * units), x.dtype)
        outs, (y, state), scan = self.scan_forward(step, a, (y, state), lengths, reverse=reverse)
        return outs, (y, state), (dense, dense_d, entering, scan, a.shape)

    @adding
    def lru_backward(
        self,
        dy: Array | None,
        dy_last: Array | None,
        dstate: Array | None,
        saved: Saved,
        eigenvalues: Array,
        w_b: Array,
        w_c: Array,
        w_d: Array,
        *,
        input_gradient: bool = True,
    ) -> tuple[Array | None, Array, Array, Array, Array, tuple[Array, Array]]:
        """Propagate the gradients of the outputs and of the last states, any of them None, back through time.

        Returns
        -------
        dx : (batch, time, features); None without ``input_gradient``
        deigenvalues, dw_b, dw_c, dw_d : like the parameters
        dstates : of the initial output and s
        """
        xp = self.xp
        dense, dense_d, entering, scan, shape = saved
        units, dtype = w_c.shape[0] // 2, w_c.dtype
        real, imaginary, gain = self._eigenvalues(eigenvalues)
        dreal = dimaginary = self.zeros((units,), dtype)
        dw_c = self.zeros(w_c.shape, dtype)

        def step_backward(gradients: tuple[Array, ...], kept: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
            nonlocal dreal, dimaginary, dw_c
            re, im, new = kept
            dout, dnew = gradients
            dw_c = dw_c + self.matmul(new.T, dout)
            dnew = dnew + self.matmul(dout, w_c.T)
            dre, dim = self.split(dnew, [units] * 2, -1)
            dreal = dreal + xp.sum(dre * re + dim * im, axis=0)
            dimaginary = dimaginary + xp.sum(dim * re - dre * im, axis=0)
            before = xp.concat([real * dre + imaginary * dim, real * dim - imaginary * dre], axis=-1)
            return xp.concat([dnew, dout], axis=-1), (xp.zeros_like(dout), before)

        batch = shape[0]
        (dy_last,) = self.initial_states((dy_last,), (batch, w_d.shape[1]), dtype)
        (dstate,) = self.initial_states((dstate,), (batch, 2 * units), dtype)
        steps, first = self.scan_backward(step_backward, dy, (dy_last, dstate), scan)
        da = self.stack_steps(steps, shape, dtype)
        du, dout = self.split(da, [2 * units, w_d.shape[1]], -1)
        dgain = xp.sum(xp.reshape(du * entering, (-1, 2, units)), axis=(0, 1))
        dx, dw_b, _ = self.dense_backward(du * xp.concat([gain, gain]), dense, w_b, input_gradient=input_gradient)
        dx_d, dw_d, _ = self.dense_backward(dout, dense_d, w_d, input_gradient=input_gradient)
        deigenvalues = self._eigenvalues_back(eigenvalues, dreal, dimaginary, dgain)
        return None if dx is None else dx + dx_d, deigenvalues, dw_b, dw_c, dw_d, (first[0], first[1])

    def lru_step(
        self, x: Array, eigenvalues: Array, w_b: Array, w_c: Array, w_d: Array, state: Array
    ) -> tuple[Array, Array]:
        """Return y = s' w_c + x w_d and s' = l s + g (x w_b) for x (batch, features), s (batch, 2 units)."""
        real, imaginary, gain = self._eigenvalues(eigenvalues)
        re, im = self.split(state, [w_c.shape[0] // 2] * 2, -1)
        turned = self.xp.concat([real * re - imaginary * im, imaginary * re + real * im], axis=-1)
        state = turned + self.matmul(x, w_b) * self.xp.concat([gain, gain])
        return self.matmul(state, w_c) + self.matmul(x, w_d), state

    def _eigenvalues(self, eigenvalues: Array) -> tuple[Array, Array, Array]:
        """Return the real and imaginary parts of exp(-n + i p), and g."""
        xp = self.xp
        n, p, g = self.split(xp.exp(eigenvalues), [eigenvalues.shape[0] // 3] * 3, -1)
        return xp.exp(-n) * xp.cos(p), xp.exp(-n) * xp.sin(p), g

    def _eigenvalues_back(self, eigenvalues: Array, dreal: Array, dimaginary: Array, dgain: Array) -> Array:
        """Return the gradient of log n, log p and log g from those of what `_eigenvalues` returns."""
        xp = self.xp
        n, p, g = self.split(xp.exp(eigenvalues), [eigenvalues.shape[0] // 3] * 3, -1)
        real, imaginary, _ = self._eigenvalues(eigenvalues)
        dn, dp = -dreal * real - dimaginary * imaginary, dimaginary * real - dreal * imaginary
        return xp.concat([dn * n, dp * p, dgain * g])
