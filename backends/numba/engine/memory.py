"""Arrays and records of compiled code, at addresses.

A call with one number costs a quarter of a call with ten arrays; so Python hands over addresses of records, which hold
sizes and further addresses.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.extending import intrinsic
from numba.np.arrayobj import populate_array

__all__ = [
    *(
        "OPTIONS",
        "array_at",
        "array_or",
        "call_at",
        "compiled",
        "exactly",
        "fields",
        "inside",
        "integers_at",
        "record_at",
    ),
    *("named", "separate", "summing", "uint"),
]

# NaN must stay NaN and infinity be seen: of the liberties of fast arithmetic, only those that leave both alone.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}, "nogil": True}

#: What an index that is a sum is made with: Numba lets signed ones count from the end, which keeps loops from being
#: vectorized.
uint = np.uint64

# Numba passes the first argument itself, which its types do not say.
_intrinsic: Any = intrinsic

# What is called by compiled code alone.
compiled = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS)
# The same with sums in any order, so that loops that add up become vectors; and with each product and sum rounded by
# itself, as NumPy does it.
summing: Any = numba.njit(
    no_cpython_wrapper=True, no_cfunc_wrapper=True, **{**OPTIONS, "fastmath": {*OPTIONS["fastmath"], "reassoc"}}
)
exactly: Any = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **{**OPTIONS, "fastmath": False})


def named(name: str) -> Any:
    """Return a decorator that gives a function made inside another one a name of its own.

    By their names and types compiled functions are linked, and where one was compiled in this process and one read from
    the cache, nothing else tells apart what one function has made twice.
    """

    def give(function: Any) -> Any:
        function.__qualname__ = f"{function.__qualname__}_{name}"
        return function

    return give


def _array(context: Any, builder: Any, kind: Any, address: Any, length: Any) -> Any:
    array = context.make_array(kind)(context, builder)
    element = context.get_value_type(kind.dtype)
    size = context.get_constant(types.intp, context.get_abi_sizeof(element))
    shape, strides = (context.make_tuple(builder, types.UniTuple(types.intp, 1), [one]) for one in (length, size))
    null = context.get_constant_null(types.MemInfoPointer(types.voidptr))
    populate_array(array, builder.inttoptr(address, element.as_pointer()), shape, strides, size, null)
    return array._getvalue()


@_intrinsic
def array_at(typing: Any, address: Any, length: Any, dtype: Any) -> Any:
    """Return the array (length,) of a dtype that begins at an address."""
    kind = types.Array(dtype.dtype, 1, "C")

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _array(context, builder, kind, *arguments[:2])

    return kind(types.intp, types.intp, dtype), emit


@compiled
def array_or(address: Any, other: Any, length: Any, dtype: Any) -> Any:
    """Return the array at an address; where that is 0, that at another one, for a loop that leaves it alone.

    As vectors such a loop loads it under a mask that takes nothing, which where no memory is costs hundreds of cycles
    each time.
    """
    return array_at(address if address != 0 else other, length, dtype)


@_intrinsic
def integers_at(typing: Any, address: Any, length: Any) -> Any:
    """Return the array (length,) of int64 that begins at an address."""
    kind = types.Array(types.int64, 1, "C")

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _array(context, builder, kind, *arguments)

    return kind(types.intp, types.intp), emit


def fields(names: str) -> np.dtype[Any]:
    """Return the dtype of a record of int64: sizes, and addresses in bytes."""
    return np.dtype([(name, np.int64) for name in names.split()])


def record_at(dtype: np.dtype[Any]) -> Any:
    """Return a function that compiled code calls: the record of a dtype at an address."""
    record = numba.from_dtype(dtype)

    @intrinsic
    def at(typing: Any, address: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(record))

        return record(types.intp), emit

    return at


@_intrinsic
def call_at(typing: Any, function: Any, argument: Any) -> Any:
    """Call the function at an address with one integer."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [word])
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [arguments[1]])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), emit


@_intrinsic
def separate(typing: Any) -> Any:
    """Tell LLVM of the function in which this stands: keep it as one, and the arrays it takes do not overlap.

    Without the first it would be copied into every caller; without the second, loops be guarded, or not vectorized.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.function
        function.attributes.add("noinline")
        # The first two are where the result and the exception go; of an array, the third to fifth places are its data.
        for argument in function.args[2:]:
            if isinstance(argument.type, ir.PointerType) and isinstance(
                argument.type.pointee, (ir.FloatType, ir.DoubleType)
            ):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.void(), emit


@_intrinsic
def inside(typing: Any) -> Any:
    """Tell LLVM of the function in which this stands: copy it into whatever calls it, so that loops become vectors."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("alwaysinline")
        return context.get_dummy_value()

    return types.void(), emit
