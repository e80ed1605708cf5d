"""Generic kernels: softplus, softsign and mish, right in both tails."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import KernelTable

__all__ = ["SoftActivationKernels"]

# Beyond it, either way, exp(-|x|) is 0 in float64; larger numbers are brought to it where they would meet 0.
_FAR = 1000.0


class SoftActivationKernels(KernelTable):
    """Smooth activations; each saves its slope.

    With e = exp(-|x|), which cannot overflow, sigmoid(x) is 1 / (1 + e) above 0 and e / (1 + e) below.
    """

    def softplus_forward(self, x: Array, *, beta: float) -> tuple[Array, Saved]:
        """Return y = log(1 + exp(beta x)) / beta as max(x, 0) + log(1 + exp(-beta |x|)) / beta; saved is the slope."""
        xp = self.xp
        e = xp.exp(-beta * xp.clip(xp.abs(x), 0.0, _FAR / beta))
        above = self.astype(x > 0, x.dtype)
        y = xp.maximum(x, self.zeros((), x.dtype)) + xp.log1p(e) / beta
        return y, (above + (1 - above) * e) / (1 + e)

    def softplus_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy sigmoid(beta x)."""
        return dy * saved

    def softsign_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = x / (1 + |x|); of infinity, 1."""
        xp = self.xp
        largest = float(xp.finfo(x.dtype).max)
        c = xp.clip(x, -largest, largest)
        below = 1 + xp.abs(c)
        return c / below, 1 / below

    def softsign_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy / (1 + |x|)^2."""
        return dy * saved * saved

    def mish_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = x t with t = tanh(log(1 + exp(x))); saved is the slope.

        t = n / (n + 2) with n = exp(x) (exp(x) + 2), and 1 - t = 2 / (n + 2); above 0 both are divided by exp(2 x).
        """
        xp = self.xp
        c = xp.clip(x, -_FAR, _FAR)
        e = xp.exp(-xp.abs(c))
        square = e * e
        above = self.astype(x > 0, x.dtype)
        below = 1 - above
        n, two = 2 * e + above + below * square, 2 * (below + above * square)
        t = n / (n + two)
        sigmoid = (above + below * e) / (1 + e)
        slope = t + c * sigmoid * (1 + t) * (two / (n + two))
        return xp.maximum(x, xp.full_like(x, -_FAR)) * t, slope

    def mish_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy (t + x (1 - t^2) sigmoid(x))."""
        return dy * saved
