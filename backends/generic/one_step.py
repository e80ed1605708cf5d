"""One step of a recurrence, for inference: nothing is kept, and nothing is prepared for steps to come."""

from __future__ import annotations

from lamina.backends.arrays import Array
from lamina.backends.kernels import KernelTable

__all__ = ["StepKernels"]


class StepKernels(KernelTable):
    """The recurrent layers' equations for one step of x (batch, features), from states (batch, units).

    Weights and biases are those of the kernels over the whole time axis, whose results these are.
    """

    def simple_rnn_step(
        self, x: Array, w_x: Array, w_h: Array, b: Array | None, h: Array, *, activation: str = "tanh"
    ) -> Array:
        """Return h' = f(x w_x + h w_h + b)."""
        y: Array = self.pair(activation)[0](self._projected(x, w_x, b) + self.matmul(h, w_h))[0]
        return y

    def lstm_step(self, x: Array, w_x: Array, w_h: Array, b: Array | None, h: Array, c: Array) -> tuple[Array, Array]:
        """Return c' = f c + i g and h' = o tanh(c'), as (h', c')."""
        units = w_h.shape[0]
        a = self._projected(x, w_x, b) + self.matmul(h, w_h)
        first, g = self._squashed(a[:, : 2 * units]), self.xp.tanh(a[:, 2 * units : 3 * units])
        after = first[:, units:] * c + first[:, :units] * g
        return self._squashed(a[:, 3 * units :]) * self.xp.tanh(after), after

    def gru_step(
        self,
        x: Array,
        w_x: Array,
        w_h: Array,
        b: Array | None,
        b_h: Array | None,
        h: Array,
        *,
        reset_after: bool = True,
    ) -> Array:
        """Return h' = (1 - z) n + z h."""
        units = w_h.shape[0]
        a = self._projected(x, w_x, b)
        if reset_after:
            product = self.matmul(h, w_h)
            gates = self._squashed(a[:, : 2 * units] + product[:, : 2 * units])
            inside = product[:, 2 * units :] if b_h is None else product[:, 2 * units :] + b_h
            new = gates[:, :units] * inside
        else:
            gates = self._squashed(a[:, : 2 * units] + self.matmul(h, w_h[:, : 2 * units]))
            new = self.matmul(gates[:, :units] * h, w_h[:, 2 * units :])
        n = self.xp.tanh(a[:, 2 * units :] + new)
        return n + gates[:, units:] * (h - n)

    def _projected(self, x: Array, w: Array, b: Array | None) -> Array:
        product = self.matmul(x, w)
        return product if b is None else product + b

    def _squashed(self, z: Array) -> Array:
        """Return sigmoid(z) as tanh(z / 2) / 2 + 1 / 2, which overflows nowhere."""
        return self.xp.tanh(z * 0.5) * 0.5 + 0.5
