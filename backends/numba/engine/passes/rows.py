"""The largest of a row's numbers, and powers of two, so that a compiler makes vectors of them."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.extending import intrinsic

from lamina.backends.numba.engine.memory import compiled

__all__ = ["largest", "power"]

_intrinsic: Any = intrinsic


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


@_intrinsic
def power(typing: Any, shifted: Any) -> Any:
    """Return 2^n of a float64 of 1.5 2^52 + n, in whose lowest bits n stands."""
    word = ir.IntType(64)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.shl(builder.bitcast(arguments[0], word), word(52))
        return builder.bitcast(builder.add(bits, word(1023 << 52)), ir.DoubleType())

    return types.float64(types.float64), emit


@compiled
def largest(array: Any, count: Any) -> Any:
    """Return the largest of the first so many elements, at least one; NaN where there is a positive one.

    Numbers are compared as whole ones: of these a compiler knows that their order does not matter.
    """
    most = _ordered(array[0])
    for k in range(1, count):
        most = max(most, _ordered(array[k]))
    return _number(most)
