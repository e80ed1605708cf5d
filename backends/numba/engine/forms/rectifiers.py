"""Activations of straight pieces and quotients, and those by tanh: all that needs no exponential."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends.numba.engine.elements import sigmoid, squash
from lamina.backends.numba.engine.forms.activation import ActivationForm, activation_at, count_of
from lamina.backends.numba.engine.memory import array_at, compiled, separate

__all__ = ["RectifierForm"]

_RELU, _RELU6, _LEAKY, _RESCALING, _HARD_SIGMOID, _HARD_SWISH, _SOFTSIGN, _TANH, _SIGMOID, _SILU = range(10)


class RectifierForm(ActivationForm):
    """One of them."""

    kernels = (
        *("relu", "relu6", "leaky_relu", "rescaling", "hard_sigmoid", "hard_swish", "softsign", "tanh", "sigmoid"),
        "silu",
    )

    def numbers(self) -> Sequence[float]:
        """Return slope and offset."""
        options = self.call.options
        return options.get("slope", options.get("scale", 1.0)), options.get("offset", 0.0)


@compiled
def _straight(count: Any, which: Any, a: Any, b: Any, zero: Any, one: Any, x: Any, y: Any, s: Any) -> None:
    separate()
    if which == _RELU:
        for k in range(count):
            v = x[k]
            y[k] = zero if v <= zero else v
            s[k] = one if v > zero else zero
    elif which == _LEAKY:
        for k in range(count):
            v = x[k]
            own = one if v > zero else a
            y[k], s[k] = v * own, own
    elif which == _RESCALING:
        for k in range(count):
            y[k], s[k] = a * x[k] + b, a


@compiled
def _clipped(count: Any, which: Any, a: Any, b: Any, zero: Any, one: Any, x: Any, y: Any, s: Any) -> None:
    """Run what is bounded: top is 6 or 1, and what is bounded a x + b."""
    separate()
    top = one if which == _HARD_SIGMOID else x.dtype.type(6)
    for k in range(count):
        v = a * x[k] + b
        bounded = zero if v <= zero else v
        y[k] = top if bounded >= top else bounded
        s[k] = a if (v > zero) & (v < top) else zero


@compiled
def _odd(count: Any, which: Any, largest: Any, zero: Any, one: Any, x: Any, y: Any, s: Any) -> None:
    separate()
    three, third, sixth, half = x.dtype.type(3), x.dtype.type(1 / 3), x.dtype.type(1 / 6), x.dtype.type(0.5)
    if which == _HARD_SWISH:
        for k in range(count):
            v = x[k]
            low = -three if v <= -three else v
            c = three if low >= three else low
            y[k] = low * (c * sixth + half)
            inside = c * third + half
            s[k] = one if v >= three else inside if v > -three else zero
    else:
        for k in range(count):
            v = largest if x[k] > largest else x[k]
            v = -largest if v < -largest else v
            below = one / (one + abs(v))
            y[k], s[k] = v * below, below * below


@compiled
def _squashed(count: Any, which: Any, half: Any, one: Any, x: Any, y: Any, s: Any) -> None:
    separate()
    if which == _TANH:
        for k in range(count):
            v = squash(x[k])
            y[k], s[k] = v, one - v * v
    elif which == _SIGMOID:
        for k in range(count):
            v = sigmoid(x[k], half)
            y[k], s[k] = v, v * (one - v)
    else:
        for k in range(count):
            v = sigmoid(x[k], half)
            y[k], s[k] = x[k] * v, v * (one + x[k] * (one - v))


@compiled
def _forward(address: Any, largest: Any, dtype: Any) -> None:
    p = activation_at(address)
    count, which, numbers = count_of(p), p.which, array_at(p.numbers, 2, np.float64)
    a, b = dtype(numbers[0]), dtype(numbers[1])
    x, y, s = array_at(p.x, count, dtype), array_at(p.y, count, dtype), array_at(p.kept, count, dtype)
    if which >= _TANH:
        _squashed(count, which, dtype(0.5), dtype(1), x, y, s)
    elif which in (_HARD_SWISH, _SOFTSIGN):
        _odd(count, which, largest, dtype(0), dtype(1), x, y, s)
    elif which in (_HARD_SIGMOID, _RELU6):
        _clipped(count, which, a, b, dtype(0), dtype(1), x, y, s)
    else:
        _straight(count, which, a, b, dtype(0), dtype(1), x, y, s)


def forward_float32(address: Any) -> None:
    """Write the output and the slope."""
    _forward(address, np.float32(3.4028235e38), np.float32)


def forward_float64(address: Any) -> None:
    """Write the output and the slope."""
    _forward(address, 1.7976931348623157e308, np.float64)
