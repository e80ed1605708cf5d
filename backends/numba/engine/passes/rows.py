"""Sums over the features of a row, the largest of them, exponentials: what a compiler vectorizes, told how it may."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.extending import intrinsic
from numba.extending import overload

from lamina.backends.numba.engine.memory import OPTIONS, compiled

__all__ = ["exponential", "largest", "reordered"]

# Sums in vectors add in another order than one by one; they err less.
reordered = numba.njit(
    no_cpython_wrapper=True, no_cfunc_wrapper=True, **{**OPTIONS, "fastmath": OPTIONS["fastmath"] | {"reassoc"}}
)

_LOG2E, _MAGIC = np.float32(1.4426950408889634), np.float32(12582912)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_C0, _C1, _C2 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
_C3, _C4, _C5 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
_ONE, _ZERO, _LEAST = np.float32(1), np.float32(0), np.float32(-87)

_intrinsic: Any = intrinsic


@_intrinsic
def _power(typing: Any, x: Any) -> Any:
    """Return 2^n of a float32 of n + 1.5 2^23, whose lowest bits are n."""
    word = ir.IntType(32)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.shl(builder.bitcast(arguments[0], word), word(23))
        return builder.bitcast(builder.add(bits, word(0x3F800000)), ir.FloatType())

    return types.float32(types.float32), emit


def _turned(builder: Any, bits: Any) -> Any:
    """Return bits of numbers as whole numbers that are in the same order; and back."""
    size = bits.type.width
    sign = builder.ashr(bits, bits.type(size - 1))
    return builder.xor(bits, builder.and_(sign, bits.type((1 << (size - 1)) - 1)))


@_intrinsic
def _ordered(typing: Any, x: Any) -> Any:
    """Return a whole number for a number, in the same order, NaN above all."""
    kind = types.int32 if x == types.float32 else types.int64

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _turned(builder, builder.bitcast(arguments[0], ir.IntType(kind.bitwidth)))

    return kind(x), emit


@_intrinsic
def _number(typing: Any, order: Any) -> Any:
    """Return the number of a whole one."""
    kind = types.float32 if order == types.int32 else types.float64

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(_turned(builder, arguments[0]), context.get_value_type(kind))

    return kind(order), emit


@compiled
def largest(array: Any, count: Any) -> Any:
    """Return the largest of the first so many elements, at least one; NaN where there is a positive one.

    Numbers are compared as whole ones: of these a compiler knows that their order does not matter.
    """
    most = _ordered(array[0])
    for k in range(1, count):
        most = max(most, _ordered(array[k]))
    return _number(most)


def exponential(x: Any) -> Any:
    """Return e^x for x not above 0; of a float32 within 2 units in the last place, and 0 below e^-87."""
    return math.exp(x)


def _exponential32(x: Any) -> Any:
    shifted = x * _LOG2E + _MAGIC
    n = shifted - _MAGIC
    r = x - n * _LN2_HIGH
    r -= n * _LN2_LOW
    p = ((((_C0 * r + _C1) * r + _C2) * r + _C3) * r + _C4) * r + _C5
    y = (p * (r * r) + r + _ONE) * _power(shifted)
    return _ZERO if x < _LEAST else y


@overload(exponential, jit_options=OPTIONS, strict=False)
def _exponential(x: Any) -> Any:
    return _exponential32 if x == types.float32 else exponential
