"""Activations with an exponential piece, those made of exp(-|x|), which cannot overflow, and powers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends.numba.engine.elements import exponential, less_one, log_1p
from lamina.backends.numba.engine.forms.activation import ActivationForm, activation_at, count_of
from lamina.backends.numba.engine.memory import array_at, compiled, separate

__all__ = ["ExponentialForm"]

_SOFTPLUS, _MISH, _POWER = 3, 4, 5
_FAR = 1000.0


class ExponentialForm(ActivationForm):
    """One of them. ELU, SELU and CELU are one: outer max(x, 0) + low (exp(min(x, 0) / inner) - 1)."""

    kernels = ("elu", "selu", "celu", "softplus", "mish", "power")

    def numbers(self) -> Sequence[float]:
        """Return outer, low and inner, or the one number."""
        options = self.call.options
        alpha, scale = options.get("alpha", 1.0), options.get("scale", 1.0)
        if self.call.kernel in ("softplus", "power"):
            return (options["beta" if self.call.kernel == "softplus" else "exponent"],)
        return scale, scale * alpha, alpha if self.call.kernel == "celu" else 1.0


@compiled
def _pieces(count: Any, outer: Any, low: Any, inner: Any, zero: Any, x: Any, y: Any, s: Any) -> None:
    separate()
    steep = low / inner
    for k in range(count):
        v = x[k]
        below = (zero if v > zero else v) / inner
        least = less_one(below)
        y[k] = outer * v if v > zero else low * least
        s[k] = outer if v > zero else steep * exponential(below)


@compiled
def _softplus(count: Any, beta: Any, zero: Any, one: Any, x: Any, y: Any, s: Any) -> None:
    separate()
    for k in range(count):
        v = x[k]
        e = exponential(-beta * abs(v))
        y[k] = (zero if v <= zero else v) + log_1p(e) / beta
        s[k] = (one if v > zero else e) / (one + e)


@compiled
def _mish(count: Any, far: Any, zero: Any, one: Any, x: Any, y: Any, s: Any) -> None:
    separate()
    two = one + one
    for k in range(count):
        v = far if x[k] > far else x[k]
        v = -far if v < -far else v
        e = exponential(-abs(v))
        square = e * e
        above = v > zero
        n = two * e + (one if above else square)
        rest = two * (square if above else one)
        t, share = n / (n + rest), rest / (n + rest)
        logistic = (one if above else e) / (one + e)
        y[k] = (-far if x[k] < -far else x[k]) * t
        s[k] = t + v * logistic * (one + t) * share


@compiled
def _power(count: Any, exponent: Any, zero: Any, one: Any, x: Any, y: Any, s: Any) -> None:
    separate()
    for k in range(count):
        y[k] = x[k] ** exponent
        s[k] = zero if exponent == zero else exponent * x[k] ** (exponent - one)


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = activation_at(address)
    count, which, numbers = count_of(p), p.which, array_at(p.numbers, 3, np.float64)
    x, y, s = array_at(p.x, count, dtype), array_at(p.y, count, dtype), array_at(p.kept, count, dtype)
    if which == _SOFTPLUS:
        _softplus(count, dtype(numbers[0]), dtype(0), dtype(1), x, y, s)
    elif which == _POWER:
        _power(count, dtype(numbers[0]), dtype(0), dtype(1), x, y, s)
    elif which == _MISH:
        _mish(count, dtype(_FAR), dtype(0), dtype(1), x, y, s)
    else:
        _pieces(count, dtype(numbers[0]), dtype(numbers[1]), dtype(numbers[2]), dtype(0), x, y, s)


def forward_float32(address: Any) -> None:
    """Write the output and the slope."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Write the output and the slope."""
    _forward(address, np.float64)
