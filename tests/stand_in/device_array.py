"""The array: memory on the device, which comes to the host by `get` alone."""

import warnings
from typing import NamedTuple

import numpy as np

from tests.stand_in.base import FACTS, Memory, allocate, checked_dtype, fresh, functions, launch, view_of
from tests.stand_in.counting import ledger
from tests.stand_in.indexing import Indexing
from tests.stand_in.operators import Operators
from tests.stand_in.streams import get_current_stream, is_pinned

__all__ = ["ndarray"]


class Address(NamedTuple):
    """Stands for ``cupy.cuda.MemoryPointer``."""

    ptr: int


class ndarray(Indexing, Operators, Memory):
    """Stands for ``cupy.ndarray``."""

    __slots__ = ()
    __module__ = "cupy"
    __hash__ = None

    def __new__(cls, shape, dtype=float, memptr=None, strides=None, order="C"):
        return fresh(allocate(shape, dtype, order))

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    strides = property(lambda self: self._host.strides)
    flags = property(lambda self: self._host.flags)
    base = property(lambda self: self._base)
    T = property(lambda self: view_of(self, self._host.T))

    @property
    def data(self):
        return Address(self._host.ctypes.data)

    @property
    def __cuda_array_interface__(self):
        return {"shape": self.shape, "typestr": self.dtype.str, "version": 3}

    def __dlpack__(self, **options):
        raise NotImplementedError("the stand-in hands no memory to other libraries")

    def __dlpack_device__(self):
        return 2, 0  # CUDA, the first device

    def __getattr__(self, name):
        if name in FACTS["attributes"]:
            raise NotImplementedError(f"the stand-in's arrays have no {name!r} yet; CuPy's have")
        raise AttributeError(f"'cupy.ndarray' object has no attribute {name!r}")

    # To the host.

    def get(self, stream=None, order="C", out=None, blocking=True):
        if out is not None and not isinstance(out, np.ndarray):
            raise TypeError(f"Only numpy.ndarray can be obtained from cupy.ndarray, got {type(out)}")
        if out is not None and (out.shape != self.shape or out.dtype != self.dtype):
            raise ValueError(f"expected an array {self.shape} of {self.dtype}, got {out.shape} of {out.dtype}")
        if self.size:
            if not self._host.flags.c_contiguous and not (order == "A" and self._host.flags.f_contiguous):
                launch("contiguous copy", self)
            ledger.note("download", "get", size=self.nbytes)
            ledger.note("wait", "get")
        if out is None:
            return np.array(self._host, order="C" if order == "C" else "K")
        out[...] = self._host
        return out

    def set(self, arr, stream=None):
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self._host.flags.c_contiguous or self._host.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        if not self.size:
            return
        ledger.note("upload", "set", size=self.nbytes)
        target, whole = self._host, self if self._base is None else self._base
        if is_pinned(arr):
            own = get_current_stream() if stream is None else stream
            own.copy(lambda: np.copyto(target, arr), whole._born, whole._owner)
        else:
            ledger.note("wait", "set from memory that is not pinned")
            np.copyto(target, arr)

    def __array__(self, dtype=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def item(self):
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def __int__(self):
        return int(self.get())

    def __float__(self):
        return float(self.get())

    def __complex__(self):
        return complex(self.get())

    def __bool__(self):
        if self.size > 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
            )
        if not self.size:
            warnings.warn("The truth value of an empty array is ambiguous.", DeprecationWarning, stacklevel=2)
            return False
        return bool(self.get())

    def __repr__(self):
        return repr(self.get())

    def __str__(self):
        return str(self.get())

    def __format__(self, spec):
        return format(self.get(), spec)

    def __len__(self):
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[place] for place in range(self.shape[0]))

    # Copies.

    def copy(self, order="C"):
        launch("copy", self)
        return fresh(np.array(self._host, order=order))

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __reduce__(self):
        return functions["array"], (self.get(order="A"),)

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        if casting is not None or subok is not None:
            raise TypeError("casting and subok are not supported yet")
        wanted = checked_dtype(dtype)
        if wanted == self.dtype and not copy:
            return self
        launch(f"astype {wanted}", self)
        with np.errstate(all="ignore"):
            return fresh(self._host.astype(wanted, order=order or "K"))

    def fill(self, value):
        if isinstance(value, ndarray):
            if value.shape != ():
                raise ValueError("non-scalar cupy.ndarray cannot be used for fill")
            launch("fill", self, value)
            self._host[...] = value._host
            return
        number = np.asarray(value)
        if number.shape != ():
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        if self.size:
            if number == 0 and self._host.flags.c_contiguous:
                ledger.note("set", "fill")
            else:
                launch("fill", self)
        self._host[...] = number.astype(self.dtype)

    # Shapes.

    def reshape(self, *shape, order="C", copy=None):
        sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        if any(isinstance(size, ndarray) for size in sizes):
            raise TypeError("sizes are whole numbers on the host")
        found = self._host.reshape(sizes, order=order)
        if not found.size or np.shares_memory(found, self._host):
            return view_of(self, found)
        launch("copy to reshape", self)
        return fresh(found)

    def transpose(self, *axes):
        given = axes[0] if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))) else axes or None
        return view_of(self, self._host.transpose(given))

    def swapaxes(self, axis1, axis2):
        return view_of(self, self._host.swapaxes(axis1, axis2))

    def squeeze(self, axis=None):
        return view_of(self, self._host.squeeze(axis))

    def ravel(self, order="C"):
        return self.reshape(-1, order=order)

    def flatten(self, order="C"):
        launch("copy", self)
        return fresh(self._host.flatten(order))

    def view(self, dtype=None, type=None):
        return view_of(self, self._host.view() if dtype is None else self._host.view(checked_dtype(dtype)))


def _forward(name):
    def method(self, *arguments, **options):
        return functions[name](self, *arguments, **options)

    method.__name__ = name
    return method


for _name in ("sum", "prod", "mean", "max", "min", "any", "all", "argmin", "cumsum", "take", "clip", "argsort"):
    setattr(ndarray, _name, _forward(_name))


def _argmax(self, axis=None, out=None, dtype=None, keepdims=False):
    return functions["argmax"](self, axis, dtype, out, keepdims)


def _nonzero(self):
    return functions["nonzero"](self)


ndarray.argmax, ndarray.nonzero = _argmax, _nonzero
