"""What is done to single numbers of either dtype: tanh, the logistic sigmoid, exp, exp(x) - 1, 2^x, logarithms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.extending import intrinsic
from numba.extending import overload

from lamina.backends.numba.engine.memory import OPTIONS, compiled, inside

__all__ = [
    *("exponential", "less_one", "log_1p", "logarithm", "mantissa", "power", "power_of_2", "sigmoid", "squash"),
]

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
    inside()
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


# exp x = 2^n exp r with n whole and |r| <= log(2) / 2, and exp r = 1 + r + r^2 P(r), a minimax fit with a relative
# error of 3.1e-9: with float32's rounding it is off by at most 1.0e-7. Past 89 and -104 float32 has infinity and 0.
_MOST, _LEAST, _PER_LOG2 = np.float32(89), np.float32(-104), np.float32(1.4426950408889634)
# log 2 in two parts, the first of few digits, so that a whole number times it is exact.
_LOG2, _LOG2_REST = np.float32(0.693359375), np.float32(-2.1219444005469057e-4)
# Added to a small number it leaves the nearest whole one in the last digits.
_ROUND = np.float32(12582912)
_E0, _E1, _E2 = np.float32(0.4999999403953552), np.float32(0.1666652113199234), np.float32(0.04166838899254799)
_E3, _E4 = np.float32(0.00836874544620514), np.float32(0.0013814540579915047)

# log(1 + x) = x P(x), a minimax fit of the relative error on [0, 1] of 4.7e-9.
_L1, _L2, _L3 = np.float32(-0.4999990165233612), np.float32(0.33329957723617554), np.float32(-0.24954095482826233)
_L4, _L5, _L6 = np.float32(0.1967577487230301), np.float32(-0.15305176377296448), np.float32(0.10603015869855881)
_L7, _L8, _L9 = np.float32(-0.05695369839668274), np.float32(0.019848549738526344), np.float32(-0.00324341282248497)


# Numba passes the first argument itself, which its types do not say.
_intrinsic: Any = intrinsic

# How many bits of a float are its digits.
_DIGITS = {32: 23, 64: 52}


@_intrinsic
def _scaled(typing: Any, x: Any, shifted: Any) -> Any:
    """Return x 2^n, n being a float32 less _ROUND; as two factors, so that it may become 0 or infinite bit by bit."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, shifted = arguments
        word, number = ir.IntType(32), ir.FloatType()
        n = builder.sub(builder.bitcast(shifted, word), word(0x4B400000))
        half = builder.ashr(n, word(1))
        for power in (half, builder.sub(n, half)):
            bits = builder.shl(builder.add(power, word(127)), word(23))
            x = builder.fmul(x, builder.bitcast(bits, number))
        return x

    return types.float32(types.float32, types.float32), emit


def exponential(x: Any) -> Any:
    """Return exp x; of a float32 by a polynomial, which a compiler can vectorize."""
    return math.exp(x)


def _exponential32(x: Any) -> Any:
    inside()
    bounded = _MOST if x > _MOST else x
    bounded = _LEAST if bounded < _LEAST else bounded
    shifted = bounded * _PER_LOG2 + _ROUND
    n = shifted - _ROUND
    r = (bounded - n * _LOG2) - n * _LOG2_REST
    p = (((_E4 * r + _E3) * r + _E2) * r + _E1) * r + _E0
    return _scaled(r * r * p + r + _ONE, shifted)


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


def log_1p(x: Any) -> Any:
    """Return log(1 + x) of x from 0 to 1; of a float32 by a polynomial."""
    return math.log1p(x)


def _log_1p32(x: Any) -> Any:
    inside()
    high = (((_L9 * x + _L8) * x + _L7) * x + _L6) * x + _L5
    return ((((high * x + _L4) * x + _L3) * x + _L2) * x + _L1) * x * x + x


@overload(log_1p, jit_options=OPTIONS, strict=False)
def _log_1p(x: Any) -> Any:
    return _log_1p32 if x == types.float32 else log_1p


@_intrinsic
def mantissa(typing: Any, x: Any) -> Any:
    """Return the number from 1 to below 2 that a positive number is a power of 2 times; of 0, 1."""
    kind = ir.IntType(x.bitwidth)
    digits = _DIGITS[x.bitwidth]

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (number,) = arguments
        bits = builder.and_(builder.bitcast(number, kind), kind((1 << digits) - 1))
        one = ((1 << (x.bitwidth - digits - 2)) - 1) << digits
        return builder.bitcast(builder.or_(bits, kind(one)), number.type)

    return x(x), emit


@_intrinsic
def power(typing: Any, x: Any) -> Any:
    """Return which power of 2 that is; of 0, and of less than has all digits, the one below all others."""
    kind = ir.IntType(x.bitwidth)
    digits = _DIGITS[x.bitwidth]

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (number,) = arguments
        least = (1 << (x.bitwidth - digits - 2)) - 1
        found = builder.sub(builder.lshr(builder.bitcast(number, kind), kind(digits)), kind(least))
        return builder.sitofp(found, number.type)

    return x(x), emit


@_intrinsic
def _times_power(typing: Any, x: Any, shifted: Any) -> Any:
    """Return x 2^n, n being a float32 less _ROUND, where 2^n is a number with all digits."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, shifted = arguments
        word, number = ir.IntType(32), ir.FloatType()
        bits = builder.shl(builder.add(builder.bitcast(shifted, word), word(127)), word(23))
        return builder.fmul(x, builder.bitcast(bits, number))

    return types.float32(types.float32, types.float32), emit


# 2^r = 1 + r P(r), a minimax fit of the relative error on [-1/2, 1/2] of 2.0e-9.
_T0, _T1, _T2 = np.float32(0.6931471824645996), np.float32(0.24022647738456726), np.float32(0.055503323674201965)
_T3, _T4, _T5 = np.float32(0.00961843691766262), np.float32(0.0013398875016719103), np.float32(0.00015353361959569156)


def power_of_2(x: Any) -> Any:
    """Return 2^x; of a float32, which must be from -126 to 127, by a polynomial."""
    return np.exp2(x)


def _power_of_2_32(x: Any) -> Any:
    inside()
    shifted = x + _ROUND
    r = x - (shifted - _ROUND)
    p = ((((_T5 * r + _T4) * r + _T3) * r + _T2) * r + _T1) * r + _T0
    return _times_power(p * r + _ONE, shifted)


@overload(power_of_2, jit_options=OPTIONS, strict=False)
def _power_of_2(x: Any) -> Any:
    return _power_of_2_32 if x == types.float32 else power_of_2


# A float32 below the first has fewer digits; the second is a power of 2, and the third its logarithm.
_NORMAL, _LIFT, _LOG_LIFT = np.float32(1.1754944e-38), np.float32(2.0**64), np.float32(44.3614195558365)
_FINITE, _LOG_2 = np.float32(3.4028235e38), np.float32(0.6931471805599453)


def logarithm(x: Any) -> Any:
    """Return log x of x above 0; of a float32 by a polynomial, as exact as a number of the size of log 2 is."""
    return math.log(x)


def _logarithm32(x: Any) -> Any:
    inside()
    small = x < _NORMAL
    lifted = x * _LIFT if small else x
    y = power(lifted) * _LOG_2 + log_1p(mantissa(lifted) - _ONE)
    y = y - _LOG_LIFT if small else y
    return y if x <= _FINITE else x


@overload(logarithm, jit_options=OPTIONS, strict=False)
def _logarithm(x: Any) -> Any:
    return _logarithm32 if x == types.float32 else logarithm
