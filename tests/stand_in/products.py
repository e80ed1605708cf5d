"""Matrix products: cuBLAS takes contiguous matrices, what is cut out of others is copied first."""

import numpy as np

from tests.stand_in.base import FACTS, Memory, fresh, functions, launch
from tests.stand_in.counting import ledger
from tests.stand_in.jitter import jitter

__all__ = ["matmul"]


def _copied(array):
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        launch("copy for a product", array)


def _count(a, b, made):
    """Count the launches of a product of arrays of one dtype."""
    if not made.size:
        return
    if not a.size or not b.size:
        ledger.note("set", "product of nothing")
    elif a.ndim > 2 or b.ndim > 2:
        for one in (a, b):
            if not one.flags.c_contiguous:
                launch("copy for a product", one)
        if a.shape[:-2] != b.shape[:-2]:
            ledger.note("launch", "addresses", 3)
        ledger.note("launch", "batched product")
    elif made.size == 1:
        ledger.note("launch", "inner product", 2)
    else:
        _copied(a)
        _copied(b)
        ledger.note("launch", "product")


def matmul(a, b, out=None):
    """Return the product as ``cupy.matmul`` does."""
    for one in (a, b):
        if not isinstance(one, Memory):
            raise TypeError(f"Unsupported type {type(one)}")
    if out is not None:
        raise NotImplementedError("the stand-in multiplies into a new array")
    if not a.ndim or not b.ndim:
        raise ValueError("matmul: Input operand does not have enough dimensions")
    dtype = np.promote_types(a.dtype, b.dtype)
    a, b = (one.astype(dtype, copy=False) for one in (a, b))
    with np.errstate(all="ignore"):
        matrices = a.ndim > 1 and b.ndim > 1
        made = fresh(jitter.product(a._host, b._host) if matrices else np.matmul(a._host, b._host))
    _count(a, b, made)
    return made


def dot(a, b, out=None):
    if a.ndim > 2 or b.ndim > 2:
        raise NotImplementedError("the stand-in has no dot of more than two axes")
    return matmul(a, b, out)


for _product in (matmul, dot):
    assert _product.__name__ in FACTS["names"]
    functions[_product.__name__] = _product
