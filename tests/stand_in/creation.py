"""Arrays that are made: of nothing, of one value, of what lies on the host, which is uploaded."""

import numpy as np

from tests.stand_in.base import Memory, allocate, checked_dtype, fresh, launch, provides
from tests.stand_in.base import functions as _functions
from tests.stand_in.counting import ledger

__all__ = []


@provides
def empty(shape, dtype=float, order="C"):
    return fresh(allocate(shape, dtype, order))


@provides
def zeros(shape, dtype=float, order="C"):
    made = fresh(np.zeros(shape, checked_dtype(dtype), order))
    if made.size:
        ledger.note("set", "zeros")
    return made


@provides
def ones(shape, dtype=float, order="C"):
    return full(shape, 1, dtype, order)


@provides
def full(shape, fill_value, dtype=None, order="C"):
    if isinstance(fill_value, (Memory, np.ndarray)) and fill_value.shape != ():
        raise NotImplementedError("the stand-in fills with one value")
    if dtype is None:
        dtype = fill_value.dtype if isinstance(fill_value, Memory) else np.asarray(fill_value).dtype
    made = empty(shape, dtype, order)
    made.fill(fill_value)
    return made


def _alike(array, dtype, subok, shape):
    if subok is not None:
        raise TypeError("subok is not supported yet")
    if not isinstance(array, Memory):
        raise TypeError(f"the stand-in makes arrays like its own, not like {type(array)}")
    return empty(array.shape if shape is None else shape, array.dtype if dtype is None else dtype)


@provides
def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    return _alike(prototype, dtype, subok, shape)


@provides
def zeros_like(a, dtype=None, order="K", subok=None, shape=None):
    made = _alike(a, dtype, subok, shape)
    made.fill(0)
    return made


@provides
def ones_like(a, dtype=None, order="K", subok=None, shape=None):
    made = _alike(a, dtype, subok, shape)
    made.fill(1)
    return made


@provides
def full_like(a, fill_value, dtype=None, order="K", subok=None, shape=None):
    made = _alike(a, dtype, subok, shape)
    made.fill(fill_value)
    return made


@provides
def arange(start, stop=None, step=1, dtype=None):
    made = fresh(np.arange(0, start, step, dtype) if stop is None else np.arange(start, stop, step, dtype))
    launch("arange", made)
    return made


@provides
def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if subok:
        raise NotImplementedError("subok is not supported yet")
    wanted = None if dtype is None else checked_dtype(dtype)
    if isinstance(obj, Memory):
        return _of_device(obj, wanted, copy, ndmin)
    if isinstance(obj, (list, tuple)) and any(isinstance(one, Memory) for one in obj):
        return _functions["stack"]([one if isinstance(one, Memory) else array(one) for one in obj])
    if copy is False:
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    host = np.array(obj, dtype=wanted, ndmin=ndmin)
    checked_dtype(host.dtype)
    if not host.ndim:
        ledger.note("launch" if host[()] else "set", "a number")
    elif host.size:
        ledger.note("upload", "array", size=host.nbytes)
    if blocking:
        ledger.note("wait", "array")
    return fresh(host)


def _of_device(given, wanted, copy, ndmin):
    same = (wanted is None or wanted == given.dtype) and given.ndim >= ndmin
    if copy is not True and same:
        return given
    if copy is False:
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    made = given.astype(given.dtype if wanted is None else wanted)
    return made.reshape((1,) * (ndmin - made.ndim) + made.shape) if made.ndim < ndmin else made


@provides
def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    return array(a, dtype=dtype, copy=copy, order=order or "K", blocking=blocking)


@provides
def ascontiguousarray(a, dtype=None):
    if a.flags.c_contiguous and (dtype is None or np.dtype(dtype) == a.dtype):
        return a
    launch("contiguous copy", a)
    return fresh(np.ascontiguousarray(a._host, dtype))


@provides
def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    if isinstance(a, Memory):
        return a.get(stream=stream, order=order, out=out, blocking=blocking)
    return np.asarray(a, order=order)


@provides
def astype(x, dtype, /, *, copy=True):
    if not isinstance(x, Memory):
        raise TypeError(f"Input should be a CuPy array. It is a {type(x)} instead.")
    return x.astype(dtype, copy=copy)


@provides
def result_type(*arrays_and_dtypes):
    return np.result_type(*(one.dtype if isinstance(one, Memory) else one for one in arrays_and_dtypes))
