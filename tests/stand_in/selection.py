"""Choosing: by conditions, by places, by order; what depends on how many there are makes the host wait."""

import numpy as np

from tests.stand_in.base import Memory, fresh, functions, launch, provides
from tests.stand_in.counting import ledger
from tests.stand_in.ufuncs import clip_ufunc, where_ufunc

__all__ = []


@provides
def where(condition, x=None, y=None):
    if (x is None) != (y is None):
        raise ValueError("Must provide both 'x' and 'y' or neither.")
    if not isinstance(condition, Memory):
        raise AttributeError(f"{type(condition).__name__!r} object is no CuPy array")
    return nonzero(condition) if x is None else where_ufunc(condition.astype("?", copy=False), x, y)


@provides
def nonzero(a):
    ledger.note("download", "count", size=4)
    ledger.note("wait", "count")
    launch("nonzero", a, times=4)
    return tuple(fresh(one) for one in a._host.nonzero())


@provides
def clip(a, a_min, a_max, out=None):
    if not isinstance(a, Memory):
        raise TypeError(f"expected a CuPy array, got {type(a)}")
    floats = a.dtype.kind == "f"
    low, high = (-np.inf, np.inf) if floats else (np.iinfo(a.dtype).min, np.iinfo(a.dtype).max)
    bounds = [a.dtype.type(own) if given is None else given for given, own in ((a_min, low), (a_max, high))]
    return clip_ufunc(a, *bounds, out=out)


@provides
def take(a, indices, axis=None, out=None):
    if out is not None:
        raise NotImplementedError("the stand-in takes into a new array")
    if not isinstance(a, Memory):
        raise AttributeError(f"{type(a).__name__!r} object is no CuPy array")
    if not isinstance(indices, Memory):
        indices = functions["array"](indices, dtype=int)
    size = a.size if axis is None else a.shape[axis]
    if not size and indices.size:
        raise IndexError("cannot do a non-empty take from an empty axes.")
    # As on the device: a place outside wraps around, and nobody is told.
    made = fresh(np.take(a._host, indices._host.astype(np.int64) % max(size, 1), axis))
    launch("take", shape=made.shape)
    return made


@provides
def take_along_axis(a, indices, axis):
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if axis is None:
        a, axis = a.ravel(), 0
    if a.ndim != indices.ndim:
        raise ValueError("`indices` and `a` must have the same number of dimensions")
    axis %= a.ndim
    index = []
    for own, count in enumerate(a.shape):
        others = functions["arange"](count).reshape((1,) * own + (-1,) + (1,) * (a.ndim - own - 1))
        index.append(indices if own == axis else others)
    return a[tuple(index)]


@provides
def argsort(a, axis=-1, kind=None):
    launch("sort", a, times=4)
    ledger.note("wait", "sort")
    return fresh(np.argsort(a._host, axis, kind="stable"))


@provides
def unique(
    ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True
):  # fmt: skip
    if axis is not None or return_index or return_counts:
        raise NotImplementedError("the stand-in tells what is in an array, and the inverse")
    flat = ar.ravel()
    launch("sort", flat, times=4)
    launch("mask", flat, times=3)
    ledger.note("download", "count of a mask", size=4)
    ledger.note("wait", "count of a mask")
    launch("gather by mask", flat, times=4)
    found, inverse = np.unique(flat._host, return_inverse=True, equal_nan=equal_nan)
    if not return_inverse:
        return fresh(found)
    launch("inverse", flat, times=4)
    return fresh(found), fresh(inverse.reshape(ar.shape))


@provides
def unique_values(x):
    return unique(x, equal_nan=False)
