"""Generic kernels: MinGRU and MinLSTM, whose gates depend on the input alone."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.generic.activations import ActivationKernels
from lamina.backends.generic.dense import DenseKernels
from lamina.backends.generic.scan import ScanKernels
from lamina.backends.kernels import adding

__all__ = ["MinRNNKernels"]


class MinRNNKernels(ScanKernels, DenseKernels, ActivationKernels):
    """h_t = k_t h_{t-1} + (1 - k_t) c_t, with the share k_t that is kept and a candidate c_t, both of x_t alone.

    Gates lie side by side in the weights' last axis: z, c for MinGRU; i, f, c for MinLSTM.
    """

    def min_gru_forward(
        self,
        x: Array,
        w_x: Array,
        b: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run the recurrence with k = 1 - sigmoid(z) over the time axis.

        Parameters
        ----------
        x : (batch, time, features)
        w_x : (features, 2 units); b : (2 units,) or None
        state : (batch, units) or None for zeros
        lengths : (batch,) integers on the host, or None

        Returns
        -------
        h : (batch, time, units), 0 past each row's end
        state : (batch, units), each row's last
        saved : for `min_gru_backward`
        """
        units = w_x.shape[1] // 2
        a, dense = self.dense_forward(self.zero_past(x, lengths), w_x, b)
        z, candidate = self.split(a, [units] * 2, -1)
        keep = self.sigmoid_forward(-z)[0]
        h, last, saved = self._averages(keep, candidate, state, lengths, reverse)
        return h, last, (dense, saved)

    @adding
    def min_gru_backward(
        self, dh: Array | None, dstate: Array | None, saved: Saved, w_x: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array, Array]:
        """Propagate the gradients of h and of the last state, either of which may be None, back through time.

        Returns
        -------
        dx : (batch, time, features); None without ``input_gradient``
        dw_x, db : like the parameters
        dstate : (batch, units), of the initial state
        """
        dense, kept = saved
        dkeep, dcandidate, dfirst = self._averages_back(dh, dstate, kept)
        da = self.xp.concat([-dkeep, dcandidate], axis=-1)
        return *self.dense_backward(da, dense, w_x, input_gradient=input_gradient), dfirst

    def min_lstm_forward(
        self,
        x: Array,
        w_x: Array,
        b: Array | None,
        state: Array | None,
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, Array, Saved]:
        """Run the recurrence with k = sigmoid(f) / (sigmoid(f) + sigmoid(i)) over the time axis.

        Parameters and results are those of `min_gru_forward`, but for w_x (features, 3 units) and b (3 units,).
        """
        units = w_x.shape[1] // 3
        a, dense = self.dense_forward(self.zero_past(x, lengths), w_x, b)
        i, f, candidate = self.split(a, [units] * 3, -1)
        # As a sigmoid of log sigmoid(f) - log sigmoid(i): it still holds where both sigmoids are 0.
        keep = self.sigmoid_forward(self._softplus(-i) - self._softplus(-f))[0]
        h, last, saved = self._averages(keep, candidate, state, lengths, reverse)
        return h, last, (dense, self.sigmoid_forward(-i)[0], self.sigmoid_forward(-f)[0], saved)

    @adding
    def min_lstm_backward(
        self, dh: Array | None, dstate: Array | None, saved: Saved, w_x: Array, *, input_gradient: bool = True
    ) -> tuple[Array | None, Array, Array, Array]:
        """Propagate gradients back through time, as `min_gru_backward`."""
        dense, not_i, not_f, kept = saved
        dkeep, dcandidate, dfirst = self._averages_back(dh, dstate, kept)
        da = self.xp.concat([-dkeep * not_i, dkeep * not_f, dcandidate], axis=-1)
        return *self.dense_backward(da, dense, w_x, input_gradient=input_gradient), dfirst

    def min_gru_step(self, x: Array, w_x: Array, b: Array | None, h: Array) -> Array:
        """Return h' = (1 - z) h + z c for x (batch, features), h (batch, units)."""
        z, candidate = self.split(self.dense_forward(x, w_x, b)[0], [h.shape[1]] * 2, -1)
        return h + self.sigmoid_forward(z)[0] * (candidate - h)

    def min_lstm_step(self, x: Array, w_x: Array, b: Array | None, h: Array) -> Array:
        """Return h' = (f h + i c) / (f + i) for x (batch, features), h (batch, units)."""
        i, f, candidate = self.split(self.dense_forward(x, w_x, b)[0], [h.shape[1]] * 3, -1)
        return h + self.sigmoid_forward(self._softplus(-f) - self._softplus(-i))[0] * (candidate - h)

    def _averages(
        self, keep: Array, candidate: Array, state: Array | None, lengths: Array | None, reverse: bool
    ) -> tuple[Array, Array, Saved]:
        """Run the recurrence, for shares and candidates (batch, time, units)."""

        def step(x: Array, states: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, Array]]:
            (before,) = states
            share, added = self.split(x, [units] * 2, -1)
            return (share * before + added,), (before, share)

        batch, _, units = keep.shape
        x = self.xp.concat([keep, (1 - keep) * candidate], axis=-1)
        start = self.initial_states((state,), (batch, units), keep.dtype)
        h, (last,), scan = self.scan_forward(step, x, start, lengths, reverse=reverse)
        return h, last, (keep, candidate, scan)

    def _averages_back(self, dh: Array | None, dstate: Array | None, saved: Saved) -> tuple[Array, Array, Array]:
        """Return the gradients of what a sigmoid makes the shares of, of the candidates, and of the initial state."""

        def step_backward(gradients: tuple[Array, ...], kept: tuple[Array, Array]) -> tuple[Array, tuple[Array, ...]]:
            (dnew,) = gradients
            before, share = kept
            return self.xp.concat([dnew * before, dnew], axis=-1), (dnew * share,)

        keep, candidate, scan = saved
        batch, time, units = keep.shape
        (last,) = self.initial_states((dstate,), (batch, units), keep.dtype)
        steps, (dfirst,) = self.scan_backward(step_backward, dh, (last,), scan)
        dshare, dadded = self.split(self.stack_steps(steps, (batch, time, 2 * units), keep.dtype), [units] * 2, -1)
        return (dshare - dadded * candidate) * keep * (1 - keep), dadded * (1 - keep), dfirst

    def _softplus(self, z: Array) -> Array:
        """Return log(1 + exp(z)), which overflows nowhere."""
        xp = self.xp
        return xp.maximum(z, self.zeros((), z.dtype)) + xp.log1p(xp.exp(-xp.abs(z)))
