"""Generic kernels: activations, among them GELU with a normal distribution of its own."""

from __future__ import annotations

import math

from lamina.backends.arrays import Array, Saved
from lamina.backends.kernels import KernelTable

__all__ = ["LARGEST", "SHORT_TAIL", "TAIL", "ActivationKernels"]

# With t = 1 / (z + 4) and s = 1 - 8 t, the normal distribution's upper tail at z >= 0 is exp(-z^2 / 2) t P(s). P is
# smooth over all z; these are its coefficients, lowest power first, from a Chebyshev expansion in 60 digits. In
# float64 the tail errs by less than 5e-16, and by less than 1e-14 of itself up to z = 6.
TAIL = (
    0.7552851304157506,
    -0.6078966419718673,
    0.3871374007424215,
    -0.18652185796145454,
    0.06039657488256644,
    -0.00754018892837386,
    -0.0034796922350576356,
    0.0016308180841548285,
    0.00013334323640921145,
    -0.00023109295282961134,
    -1.9031365263494377e-06,
    3.513845158846198e-05,
    7.013963222331888e-07,
    -5.908225530193141e-06,
    -6.002848742191028e-07,
    1.0079851973866683e-06,
    2.351294479530888e-07,
    -1.471442919551754e-07,
    -5.672551226407121e-08,
    1.2864124437671246e-08,
    6.7797696255966974e-09,
)
# The same, as far as float32 can tell.
SHORT_TAIL = (
    0.7552851271,
    -0.6078964038,
    0.3871375629,
    -0.1865267109,
    0.06039529587,
    -0.007512231382,
    -0.003476167895,
    0.001563786899,
    0.0001293256813,
    -0.0001573205696,
)
# Beyond it the tail is 0 in float64; larger numbers are brought to it, so that no square overflows.
LARGEST = 40.0
_DENSITY = 1 / math.sqrt(2 * math.pi)
_SLOPE, _CUBE = math.sqrt(2 / math.pi), 0.044715


class ActivationKernels(KernelTable):
    """Activations; what each saves is whatever its slope follows from.

    Where one is of two pieces, both are summed, one of them 0: choosing element by element by a random sign costs
    a CPU several times as much.
    """

    def tanh_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = tanh(x)."""
        y = self.xp.tanh(x)
        return y, y

    def tanh_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy (1 - y^2)."""
        return dy * (1 - saved * saved)

    def sigmoid_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = 1 / (1 + exp(-x)) as tanh(x/2)/2 + 1/2, which cannot overflow."""
        y = self.xp.tanh(x * 0.5) * 0.5 + 0.5
        return y, y

    def sigmoid_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy y (1 - y)."""
        return dy * (saved * (1 - saved))

    def relu_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = max(x, 0)."""
        y = self.xp.maximum(x, self.zeros((), x.dtype))
        return y, y

    def relu_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy where y > 0, else 0 (the slope at 0 is taken as 0)."""
        return self.xp.where(saved > 0, dy, self.zeros((), dy.dtype))

    def softmax_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = exp(x - max) / sum exp(x - max) over the last axis."""
        y = self.xp.exp(x - self.xp.max(x, axis=-1, keepdims=True))
        y = y / self.xp.sum(y, axis=-1, keepdims=True)
        return y, y

    def softmax_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = y (dy - sum(dy y)) over the last axis."""
        return saved * (dy - self.xp.sum(dy * saved, axis=-1, keepdims=True))

    def gelu_forward(self, x: Array, *, approximate: str = "none") -> tuple[Array, Saved]:
        """Return y = x P(Z <= x) for a standard normal Z; with ``approximate="tanh"``, by its approximation.

        Saved is the slope: P(Z <= x) + x exp(-x^2/2) / sqrt(2 pi), or the approximation's.
        """
        xp = self.xp
        c = xp.clip(x, -LARGEST, LARGEST)
        if approximate == "tanh":
            t = xp.tanh(_SLOPE * (c + _CUBE * (c * c * c)))
            below = 0.5 + 0.5 * t
            slope = below + (0.5 * _SLOPE) * c * (1 - t * t) * (1 + (3 * _CUBE) * (c * c))
        else:
            density = xp.exp(-0.5 * (c * c))
            t = 1 / (xp.abs(c) + 4)
            s = 1 - 8 * t
            coefficients = SHORT_TAIL if x.dtype == self.dtype("float32") else TAIL
            polynomial = coefficients[-1] * s + coefficients[-2]
            for coefficient in coefficients[-3::-1]:
                polynomial = polynomial * s + coefficient
            tail = density * t * polynomial
            below = tail + self.astype(c > 0, x.dtype) * (1 - 2 * tail)  # the tail, or 1 - tail
            slope = below + _DENSITY * (c * density)
        return xp.maximum(x, xp.full_like(x, -LARGEST)) * below, slope

    def gelu_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy times the slope."""
        return dy * saved

    def silu_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = x sigmoid(x)."""
        s = self.xp.tanh(x * 0.5) * 0.5 + 0.5
        return x * s, (x, s)

    def silu_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy s (1 + x (1 - s)) with s = sigmoid(x)."""
        x, s = saved
        return dy * (s * (1 + x * (1 - s)))

    def leaky_relu_forward(self, x: Array, *, slope: float) -> tuple[Array, Saved]:
        """Return y = x where x > 0, else slope x."""
        zero = self.zeros((), x.dtype)
        return self.xp.maximum(x, zero) + slope * self.xp.minimum(x, zero), (x > 0, slope)

    def leaky_relu_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy where x > 0, else slope dy."""
        positive, slope = saved
        return dy * (self.astype(positive, dy.dtype) + slope * self.astype(~positive, dy.dtype))

    def elu_forward(self, x: Array, *, alpha: float) -> tuple[Array, Saved]:
        """Return y = x where x > 0, else alpha (exp(x) - 1)."""
        zero = self.zeros((), x.dtype)
        y = self.xp.maximum(x, zero) + alpha * self.xp.expm1(self.xp.minimum(x, zero))
        return y, (y, alpha)

    def elu_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy where y > 0, else dy (y + alpha)."""
        y, alpha = saved
        below = self.xp.minimum(y, self.zeros((), y.dtype)) + alpha
        return dy * (self.astype(y > 0, y.dtype) + self.astype(y <= 0, y.dtype) * below)

    def log_softmax_forward(self, x: Array) -> tuple[Array, Saved]:
        """Return y = x - max - log sum exp(x - max) over the last axis."""
        xp = self.xp
        shifted = x - xp.max(x, axis=-1, keepdims=True)
        y = shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))
        return y, y

    def log_softmax_backward(self, dy: Array, saved: Saved) -> Array:
        """Return dx = dy - exp(y) sum(dy) over the last axis."""
        return dy - self.xp.exp(saved) * self.xp.sum(dy, axis=-1, keepdims=True)
