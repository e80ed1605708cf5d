"""Indices: views by slices, gathers and scatters by arrays; what lies outside a table wraps around, unseen."""

import numpy as np

from tests.stand_in.base import Memory, fresh, functions, launch, view_of
from tests.stand_in.counting import ledger
from tests.stand_in.jitter import jitter

__all__ = ["Indexing"]

_SCATTERS = {"add": np.add, "max": np.maximum, "min": np.minimum}
# The dtypes for which there is an atomic addition.
_ADDABLE = "iIlLqQefd"


def _read(index):
    """Return the parts of an index; lists and arrays of NumPy's go to the device, a copy each."""
    parts = []
    for part in index if isinstance(index, tuple) else (index,):
        if part is None or part is Ellipsis or isinstance(part, (slice, Memory)):
            parts.append(part)
        elif np.isscalar(part) and not isinstance(part, (bool, np.bool_)):
            parts.append(int(part))  # of a float too: CuPy asks no more of it
        else:
            if isinstance(part, np.ndarray) and part.dtype.kind not in "biu":
                raise IndexError("arrays used as indices must be of integer or boolean type")
            empty = isinstance(part, (list, tuple)) and not len(part)
            parts.append(functions["array"](np.zeros(0, np.int32) if empty else part))
    for part in parts:
        if isinstance(part, Memory) and part.dtype.kind not in "biu":
            raise IndexError(f"arrays used as indices must be of integer or boolean type. (actual: {part.dtype.type})")
    return parts


def _axes_of(part):
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, Memory) and part.dtype.kind == "b" else 1


class Indexing:
    """``array[...]`` and what is assigned to it."""

    __slots__ = ()

    def _found(self, parts):
        """Return an index of NumPy's, integers wrapped around as the device's kernels do without a look."""
        masks = [part for part in parts if isinstance(part, Memory) and part.dtype.kind == "b"]
        if len(masks) > 1:
            raise NotImplementedError("the stand-in takes one boolean array at a time")
        used, axis, index = sum(map(_axes_of, parts)), 0, []
        for part in parts:
            if part is Ellipsis:
                axis += self.ndim - used
            elif isinstance(part, Memory) and part.dtype.kind != "b":
                size = self.shape[axis]
                if not size and part.size:
                    raise IndexError("cannot do a non-empty take from an empty axes.")
                index.append(part._host.astype(np.int64) % max(size, 1))
                axis += 1
                continue
            else:
                axis += _axes_of(part)
            index.append(part._host if isinstance(part, Memory) else part)
        return tuple(index)

    def __getitem__(self, slices):
        parts = _read(slices)
        index = self._found(parts)
        arrays = [part for part in parts if isinstance(part, Memory)]
        if not arrays:
            whole = index if Ellipsis in index else (*index, Ellipsis)  # so that one element stays an array
            return view_of(self, self._host[whole])
        found = fresh(self._host[index])
        if any(part.dtype.kind == "b" for part in arrays):
            ledger.note("download", "count of a mask", size=4)
            ledger.note("wait", "count of a mask")
            launch("gather by mask", self, times=4)
        else:
            self._prepare(arrays)
            launch("gather", shape=found.shape)
        return found

    def _prepare(self, arrays):
        """Count what several index arrays cost before they are one."""
        if len(arrays) > 1:
            ledger.note("set", "index")
            for part in arrays:
                launch("index", part)

    def __setitem__(self, slices, value):
        parts = _read(slices)
        index = self._found(parts)
        arrays = [part for part in parts if isinstance(part, Memory)]
        if arrays:
            self._scatter(index, arrays, value)
            return
        target = view_of(self, self._host[index if Ellipsis in index else (*index, Ellipsis)])
        if not isinstance(value, Memory):
            target.fill(value)  # which refuses an array of the host
            return
        own, given = target._host, value._host
        while given.ndim > own.ndim and given.shape[0] == 1:
            given = given[0]
        np.broadcast_to(given, own.shape)
        alike = given.shape == own.shape and given.dtype == own.dtype
        if alike and given.strides == own.strides and given.ctypes.data == own.ctypes.data:
            return
        if own.size and alike and own.flags.c_contiguous and given.flags.c_contiguous:
            ledger.note("copy", "assignment")
        else:
            launch("assignment", shape=own.shape)
        with np.errstate(all="ignore"):
            own[...] = given

    def _scatter(self, index, arrays, value):
        value = self._value(value)
        place = self._host[index]
        if any(part.dtype.kind == "b" for part in arrays):
            launch("scatter by mask", shape=place.shape, times=3)
        else:
            self._prepare(arrays)
            launch("scatter", shape=place.shape)
        self._host[index] = np.broadcast_to(value._host, place.shape)

    def _value(self, value):
        """Return a value for a scatter, in this array's dtype; that of the host is uploaded, which CuPy allows here."""
        if isinstance(value, Memory):
            return value.astype(self.dtype, copy=False)
        return functions["array"](value, dtype=self.dtype)

    def _accumulate(self, slices, value, name):
        """Add, or take the larger or smaller, at places that may repeat: by atomics, in no fixed order."""
        if name not in _SCATTERS:
            raise NotImplementedError(f"`cupy_{name}.at` is not supported yet")
        parts = _read(slices)
        index = self._found(parts)
        arrays = [part for part in parts if isinstance(part, Memory)]
        if not arrays:
            raise NotImplementedError("the stand-in scatters by arrays alone")
        value = self._value(value)
        if name == "add" and self.dtype.char not in _ADDABLE:
            raise TypeError(
                "cupy.add.at only supports int32, int64, float16, float32, float64, uint32, uint64 as data type"
            )
        shape = self._host[index].shape
        self._prepare(arrays)
        launch(f"scatter {name}", shape=shape)
        values = np.broadcast_to(value._host, shape)
        if len(index) == 1 and index[0].ndim == 1 and index[0].dtype.kind != "b":
            order = jitter.arrival(len(index[0]))
            index, values = (index[0][order],), values[order]
        _SCATTERS[name].at(self._host, index, values)
