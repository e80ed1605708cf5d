"""Generic kernels: activations of straight pieces, and of a straight and an exponential one."""

from __future__ import annotations

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import KernelTable, adding

__all__ = ["RectifierKernels"]

# Times alpha, below which exp(x / alpha) is 0 in float64: beyond it no quotient overflows.
_LOWEST = -1000.0


class RectifierKernels(KernelTable):
    """Rectifiers; where a slope jumps it is the one that PyTorch takes."""

    def relu6_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = min(max(x, 0), 6)."""
        return self.xp.clip(x, 0.0, 6.0), (x > 0) & (x < 6)

    def relu6_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy where 0 < x < 6, else 0."""
        return dy * self.astype(saved, dy.dtype)

    def hard_sigmoid_forward(self, x: Array, *, slope: float, offset: float) -> tuple[Array, Saved]:
        """Return y = min(max(slope x + offset, 0), 1)."""
        z = slope * x + offset
        return self.xp.clip(z, 0.0, 1.0), ((z > 0) & (z < 1), slope)

    def hard_sigmoid_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = slope dy where 0 < y < 1, else 0."""
        inside, slope = saved
        return dy * (slope * self.astype(inside, dy.dtype))

    def hard_swish_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = x min(max(x + 3, 0), 6) / 6, and the slope."""
        xp = self.xp
        c = xp.clip(x, -3.0, 3.0)
        slope = self.astype((x > -3) & (x < 3), x.dtype) * (c / 3 + 0.5) + self.astype(x >= 3, x.dtype)
        # Of minus infinity too this is 0.
        return xp.maximum(x, xp.full_like(x, -3.0)) * (c / 6 + 0.5), slope

    def hard_swish_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy times the slope: 0 up to -3, x / 3 + 1/2 between, 1 from 3 on."""
        return dy * saved

    def prelu_forward(self, x: Array, slope: Array) -> tuple[Array, Saved]:
        """Return y = x where x > 0, else slope x, with slopes (features,) or (1,)."""
        zero = self.zeros((), x.dtype)
        low = self.xp.minimum(x, zero)
        return self.xp.maximum(x, zero) + slope * low, (x > 0, low)

    @adding
    def prelu_backward(self, dy: Array, saved: Saved, slope: Array) -> tuple[Array, Array]:
        """Return dx = dy where x > 0, else slope dy; and dslope = sum of dy min(x, 0)."""
        positive, low = saved
        dx = dy * (self.astype(positive, dy.dtype) + slope * self.astype(~positive, dy.dtype))
        return dx, self.sum_to(dy * low, slope.shape)

    def selu_forward(self, x: Array, *, alpha: float, scale: float) -> tuple[Array, Saved]:
        """Return y = scale x where x > 0, else scale alpha (exp(x) - 1)."""
        zero = self.zeros((), x.dtype)
        y = scale * self.xp.maximum(x, zero) + (scale * alpha) * self.xp.expm1(self.xp.minimum(x, zero))
        return y, (x, alpha, scale)

    def selu_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = scale dy where x > 0, else scale alpha exp(x) dy."""
        x, alpha, scale = saved
        below = alpha * self.xp.exp(self.xp.minimum(x, self.zeros((), x.dtype)))  # not y + alpha: that rounds to 0
        return (scale * dy) * (self.astype(x > 0, x.dtype) + self.astype(~(x > 0), x.dtype) * below)

    def celu_forward(self, x: Array, *, alpha: float) -> tuple[Array, Saved]:
        """Return y = max(x, 0) + alpha (exp(min(x, 0) / alpha) - 1)."""
        xp = self.xp
        z = xp.clip(x, _LOWEST * alpha, 0.0) / alpha
        return xp.maximum(x, self.zeros((), x.dtype)) + alpha * xp.expm1(z), z

    def celu_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy exp(min(x, 0) / alpha), which is dy where x > 0."""
        return dy * self.xp.exp(saved)
