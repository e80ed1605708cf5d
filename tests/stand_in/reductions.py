"""Reductions: a launch each, on whichever axes."""

import numpy as np

from tests.stand_in.base import Memory, checked_dtype, fresh, launch, provides

__all__ = []


def _reduced(name, array, axis, out, keepdims, dtype=None):
    if out is not None:
        raise NotImplementedError("the stand-in reduces into a new array")
    if not isinstance(array, Memory):
        raise TypeError(f"expected a CuPy array, got {type(array)}")
    if axis is not None and not isinstance(axis, (int, np.integer, tuple)):
        raise TypeError(f"expected a whole number or a tuple as axis, got {axis!r}")
    options = {} if dtype is None else {"dtype": checked_dtype(dtype)}
    with np.errstate(all="ignore"):
        made = fresh(getattr(np, name)(array._host, axis=axis, keepdims=keepdims, **options))
    launch(name, made)
    return made


@provides
def sum_(a, axis=None, dtype=None, out=None, keepdims=False):
    return _reduced("sum", a, axis, out, keepdims, dtype)


@provides
def prod(a, axis=None, dtype=None, out=None, keepdims=False):
    return _reduced("prod", a, axis, out, keepdims, dtype)


@provides
def mean(a, axis=None, dtype=None, out=None, keepdims=False):
    return _reduced("mean", a, axis, out, keepdims, dtype)


@provides
def max_(a, axis=None, out=None, keepdims=False):
    return _reduced("max", a, axis, out, keepdims)


@provides
def min_(a, axis=None, out=None, keepdims=False):
    return _reduced("min", a, axis, out, keepdims)


@provides
def any_(a, axis=None, out=None, keepdims=False):
    return _reduced("any", a, axis, out, keepdims)


@provides
def all_(a, axis=None, out=None, keepdims=False):
    return _reduced("all", a, axis, out, keepdims)


@provides
def argmax(a, axis=None, dtype=None, out=None, keepdims=False):
    return _reduced("argmax", a, axis, out, keepdims)


@provides
def argmin(a, axis=None, dtype=None, out=None, keepdims=False):
    return _reduced("argmin", a, axis, out, keepdims)


@provides
def cumsum(a, axis=None, dtype=None, out=None):
    if out is not None:
        raise NotImplementedError("the stand-in sums into a new array")
    launch("scan", a, times=2)
    return fresh(np.cumsum(a._host, axis, dtype))
