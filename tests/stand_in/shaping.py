"""Shapes: views where NumPy's are views, and joining."""

import numpy as np

from tests.stand_in.base import Memory, argument, fresh, functions, launch, provides, view_of
from tests.stand_in.counting import ledger

__all__ = []

# More arrays than this are joined by one kernel, which gets their addresses from the host.
_FEW = 8
_LARGE = 2 * 1024 * 1024


@provides
def reshape(a, newshape, order="C", *, copy=None):
    return a.reshape(newshape, order=order)


@provides
def transpose(a, axes=None):
    return a.transpose(axes)


@provides
def moveaxis(a, source, destination):
    return view_of(a, np.moveaxis(a._host, source, destination))


@provides
def swapaxes(a, axis1, axis2):
    return a.swapaxes(axis1, axis2)


@provides
def expand_dims(a, axis):
    return view_of(a, np.expand_dims(a._host, axis))


@provides
def squeeze(a, axis=None):
    return a.squeeze(axis)


@provides
def ravel(a, order="C"):
    return a.ravel(order)


@provides
def flip(a, axis=None):
    return view_of(a, np.flip(a._host, axis))


@provides
def matrix_transpose(x, /):
    return view_of(x, x._host.swapaxes(-1, -2))


@provides
def broadcast_to(array, shape):
    if not isinstance(array, Memory):
        raise TypeError(f"expected a CuPy array, got {type(array)}")
    return view_of(array, np.broadcast_to(array._host, shape))


@provides
def ndim(a):
    return a.ndim if isinstance(a, Memory) else np.ndim(a)


@provides
def shape(a):
    return a.shape if isinstance(a, Memory) else np.shape(a)


@provides
def size(a, axis=None):
    return a.size if axis is None else a.shape[axis]


@provides
def concatenate(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    if out is not None or axis is None:
        raise NotImplementedError("the stand-in joins along an axis, into a new array")
    arrays = [argument(one) for one in tup]
    if not arrays:
        raise ValueError("Cannot concatenate from empty tuple")
    if not all(isinstance(one, Memory) for one in arrays):
        raise TypeError("Only cupy arrays can be concatenated")
    if not all(one.ndim for one in arrays):
        raise TypeError("zero-dimensional arrays cannot be concatenated")
    made = fresh(np.concatenate([one._host for one in arrays], axis, dtype=dtype, casting=casting))
    alike = all(one.dtype == made.dtype for one in arrays)
    if len(arrays) > _FEW and alike and made.nbytes < _LARGE * len(arrays):
        even = all(one.flags.c_contiguous and one.shape == arrays[0].shape for one in arrays)
        ledger.note("upload", "addresses", 1 if even else 3, 8 * len(arrays))
        launch("concatenate", made)
    else:
        for one in arrays:
            launch("concatenate", one)
    return made


@provides
def stack(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    return concatenate([expand_dims(one, axis) for one in tup], axis, out, dtype=dtype, casting=casting)


for _alias, _name in (("concat", "concatenate"), ("permute_dims", "transpose")):
    functions[_alias] = functions[_name]
