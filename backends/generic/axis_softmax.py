"""Generic kernels: the softmax over any axis, that of time included."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import KernelTable

__all__ = ["AxisSoftmaxKernels"]


class AxisSoftmaxKernels(KernelTable):
    """With lengths, over valid steps alone: past a row's end nothing counts, and what is given there is 0."""

    def axis_softmax_forward(self, x: Array, lengths: Array | None, *, axis: int) -> tuple[Array, Saved]:
        """Return y = exp(x) / sum exp(x) over an axis, with lengths (batch,) of x (batch, time, ...) or None."""
        y, total = self._powers(x, lengths, axis)[1:]
        y = y / total
        return y, (y, lengths, axis)

    def axis_softmax_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = y (dy - sum(dy y))."""
        y, lengths, axis = saved
        dy = self.zero_past(dy, lengths)
        return y * (dy - self.xp.sum(dy * y, axis=axis, keepdims=True))

    def axis_log_softmax_forward(self, x: Array, lengths: Array | None, *, axis: int) -> tuple[Array, Saved]:
        """Return y = x - log sum exp(x) over an axis."""
        shifted, _, total = self._powers(x, lengths, axis)
        y = self.zero_past(shifted - self.xp.log(total), lengths)
        return y, (y, lengths, axis)

    def axis_log_softmax_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy - exp(y) sum(dy)."""
        y, lengths, axis = saved
        dy = self.zero_past(dy, lengths)
        return self.zero_past(dy - self.xp.exp(y) * self.xp.sum(dy, axis=axis, keepdims=True), lengths)

    def _powers(self, x: Array, lengths: Array | None, axis: int) -> tuple[Array, Array, Array]:
        """Return x minus its maximum, the exponentials of that, and their sums."""
        xp = self.xp
        if not x.shape[axis]:
            return x, x, xp.sum(x, axis=axis, keepdims=True) + 1
        if lengths is None:
            shifted = x - xp.max(x, axis=axis, keepdims=True)
            powers = xp.exp(shifted)
            return shifted, powers, xp.sum(powers, axis=axis, keepdims=True)
        valid = self.valid_steps(lengths, x.shape[1])
        valid = xp.broadcast_to(self.reshape(valid, (*valid.shape, *(1,) * (x.ndim - 2))), x.shape)
        most = xp.max(xp.where(valid, x, xp.full_like(x, -float("inf"))), axis=axis, keepdims=True)
        # Where no step counts there is no maximum, and the sum is to be 1.
        any_valid = xp.any(valid, axis=axis, keepdims=True)
        most = xp.where(any_valid, most, xp.zeros_like(most))
        shifted = self.zero_past(self.zero_past(x, lengths) - most, lengths)
        powers = self.zero_past(xp.exp(shifted), lengths)
        total = xp.sum(powers, axis=axis, keepdims=True)
        return shifted, powers, xp.where(any_valid, total, xp.ones_like(total))
