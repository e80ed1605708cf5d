"""What is done to single numbers: tanh, the logistic sigmoid and exponentials of either dtype."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from lamina.backends.numba.engine.memory import OPTIONS, bits_of, compiled, number_of

__all__ = ["exponential", "less_one", "sigmoid", "squash"]

_HALF, _ONE = np.float32(0.5), np.float32(1)

# tanh x = x P(x^2) / Q(x^2), a minimax fit of the relative error on [0, 9], where float32's tanh reaches 1: it is off
# by at most 3.0e-7. A quotient of polynomials is what a compiler can vectorize.
_LARGEST = np.float32(9)
_P0, _P1, _P2 = np.float32(9.999999794770803e-1), np.float32(1.3381024109676914e-1), np.float32(3.4955863354731486e-3)
_P3, _P4 = np.float32(2.0609054412758664e-5), np.float32(1.3354626265251967e-8)
_Q1, _Q2 = np.float32(4.6714339707428226e-1), np.float32(2.587697530445747e-2)
_Q3, _Q4 = np.float32(3.2856319519691113e-4), np.float32(7.776543139385504e-7)


def squash(x: Any) -> Any:
    """Return tanh x; of a float32 by a quotient of polynomials."""
    return math.tanh(x)


def _squash32(x: Any) -> Any:
    bounded = _LARGEST if x > _LARGEST else x
    bounded = -_LARGEST if bounded < -_LARGEST else bounded
    square = bounded * bounded
    over = (((_P4 * square + _P3) * square + _P2) * square + _P1) * square + _P0
    under = (((_Q4 * square + _Q3) * square + _Q2) * square + _Q1) * square + _ONE
    y = bounded * over / under
    y = _ONE if y > _ONE else y
    return -_ONE if y < -_ONE else y


@overload(squash, jit_options=OPTIONS, strict=False)
def _squash(x: Any) -> Any:
    return _squash32 if x == types.float32 else squash


@compiled
def sigmoid(x: Any, half: Any) -> Any:
    """Return the logistic sigmoid; ``half`` is 1/2 of x's dtype."""
    return half * squash(half * x) + half


# exp x = 2^n exp r with n the whole number next to x / log 2, and |r| at most log(2) / 2: exp r is its series up to the
# seventh power, 2^n two factors that each are a number, so that small results are right where they have fewer digits.
_HIGHEST, _LOWEST, _LOG2E = np.float32(89), np.float32(-105), np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.1219444005469057e-4)
_WHOLE = np.float32(12582912)  # 1.5 * 2^23: what is added to it is rounded to a whole number
_WHOLE_BITS = 0x4B400000
_E2, _E3, _E4, _E5, _E6, _E7 = (np.float32(1 / math.factorial(power)) for power in range(2, 8))


def exponential(x: Any) -> Any:
    """Return exp x; of a float32 by a polynomial, off by at most 2 units in the last place."""
    return math.exp(x)


def _exponential32(x: Any) -> Any:
    bounded = _HIGHEST if x > _HIGHEST else x
    bounded = _LOWEST if bounded < _LOWEST else bounded
    shifted = bounded * _LOG2E + _WHOLE
    whole = shifted - _WHOLE
    r = (bounded - whole * _LN2_HIGH) - whole * _LN2_LOW
    series = (((((_E7 * r + _E6) * r + _E5) * r + _E4) * r + _E3) * r + _E2) * r * r + (r + _ONE)
    power = bits_of(shifted) - np.int32(_WHOLE_BITS)
    first = power >> np.int32(1)
    second = power - first
    bias, places = np.int32(127), np.int32(23)
    scale = number_of(np.int32(np.int32(first + bias) << places))
    return series * scale * number_of(np.int32(np.int32(second + bias) << places))


@overload(exponential, jit_options=OPTIONS, strict=False)
def _exponential(x: Any) -> Any:
    return _exponential32 if x == types.float32 else exponential


def less_one(x: Any) -> Any:
    """Return exp(x) - 1 of x of at most 0, right also near 0."""
    return math.expm1(x)


def _less_one32(x: Any) -> Any:
    t = squash(_HALF * x)
    return (t + t) / (_ONE - t)


@overload(less_one, jit_options=OPTIONS, strict=False)
def _less_one(x: Any) -> Any:
    return _less_one32 if x == types.float32 else less_one
