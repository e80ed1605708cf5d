"""GELU: y = x P(Z <= x) for a standard normal Z, or its approximation by tanh."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from lamina.backends.generic.activations import LARGEST, SHORT_TAIL
from lamina.backends.numba.engine.elements import exponential, squash
from lamina.backends.numba.engine.forms.activation import ActivationForm, activation_at, count_of
from lamina.backends.numba.engine.memory import OPTIONS, array_at, compiled, separate

__all__ = ["GELUForm"]

_DENSITY = 1 / math.sqrt(2 * math.pi)
_SLOPE, _CUBE = math.sqrt(2 / math.pi), 0.044715
_ROOT = math.sqrt(0.5)
_ONE, _FOUR, _EIGHT = np.float32(1), np.float32(4), np.float32(8)
_0, _1, _2, _3, _4, _5, _6, _7, _8, _9 = (np.float32(one) for one in SHORT_TAIL)


class GELUForm(ActivationForm):
    """Both forms of it."""

    kernels = ("gelu",)

    def settings(self) -> dict[str, int]:
        """Return which form it is."""
        return {"which": self.call.options.get("approximate", "none") == "tanh"}


def _below(x: Any, density: Any) -> Any:
    """Return P(Z <= x); ``density`` is exp(-x^2 / 2)."""
    return 0.5 * math.erfc(-_ROOT * x)


def _below32(x: Any, density: Any) -> Any:
    t = _ONE / (abs(x) + _FOUR)
    s = _ONE - _EIGHT * t
    series = ((((((((_9 * s + _8) * s + _7) * s + _6) * s + _5) * s + _4) * s + _3) * s + _2) * s + _1) * s + _0
    tail = density * t * series
    return _ONE - tail if x > 0 else tail


@overload(_below, jit_options=OPTIONS, strict=False)
def _below_of(x: Any, density: Any) -> Any:
    return _below32 if x == types.float32 else _below


@compiled
def _normal(count: Any, largest: Any, half: Any, scale: Any, x: Any, y: Any, s: Any) -> None:
    separate()
    for k in range(count):
        v = largest if x[k] > largest else x[k]
        v = -largest if v < -largest else v
        density = exponential(-half * (v * v))
        below = _below(v, density)
        y[k] = (-largest if x[k] < -largest else x[k]) * below
        s[k] = below + scale * (v * density)


@compiled
def _by_tanh(count: Any, largest: Any, half: Any, one: Any, slope: Any, cube: Any, x: Any, y: Any, s: Any) -> None:
    separate()
    three = one + one + one
    for k in range(count):
        v = largest if x[k] > largest else x[k]
        v = -largest if v < -largest else v
        t = squash(slope * (v + cube * (v * v * v)))
        below = half + half * t
        y[k] = (-largest if x[k] < -largest else x[k]) * below
        s[k] = below + half * slope * v * (one - t * t) * (one + three * cube * (v * v))


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = activation_at(address)
    count = count_of(p)
    x, y, s = array_at(p.x, count, dtype), array_at(p.y, count, dtype), array_at(p.kept, count, dtype)
    if p.which == 0:
        _normal(count, dtype(LARGEST), dtype(0.5), dtype(_DENSITY), x, y, s)
    else:
        _by_tanh(count, dtype(LARGEST), dtype(0.5), dtype(1), dtype(_SLOPE), dtype(_CUBE), x, y, s)


def forward_float32(address: Any) -> None:
    """Write the output and the slope."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Write the output and the slope."""
    _forward(address, np.float64)
