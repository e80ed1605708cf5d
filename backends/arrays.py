"""Array primitives: the few operations on whole arrays that layers and optimizers may call.

They are written once over ``self.xp``, a module that follows the Python array API standard (2023.12).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import numpy as np

from lamina.backends.errors import BackendError

__all__ = ["Array", "ArrayOperations", "Gradients", "Saved"]

# An array of whichever backend is bound: numpy.ndarray, cupy.ndarray, ... No one type covers them.
Array: TypeAlias = Any
# What a forward kernel hands to its backward kernel; its content is the backend's own business.
Saved: TypeAlias = Any
# Where a backward kernel adds the gradients of weights: see `KernelTable.add_gradients`.
Gradients: TypeAlias = Callable[[], Sequence[Array | None]]


class ArrayOperations:
    """Create, move and reshape arrays of one array module.

    Attributes
    ----------
    name : str
        The backend's registered name.
    xp : module
        The array module.
    array_type : type
        What an array of this backend is an instance of.
    on_host : bool
        Whether values can be looked at without waiting for a device.
    """

    name: str = ""
    xp: Any = None
    array_type: type[Any] = object
    on_host: bool = True

    def dtype(self, name: str) -> Any:
        """Return the array module's dtype of that name, such as ``"float32"``."""
        return getattr(self.xp, name)

    def is_array(self, value: object) -> bool:
        """Tell whether the value is an array of this backend."""
        return isinstance(value, self.array_type)

    def is_float(self, array: Array) -> bool:
        """Tell whether the array holds real floating-point numbers."""
        return bool(self.xp.isdtype(array.dtype, "real floating"))

    def is_integer(self, array: Array) -> bool:
        """Tell whether the array holds whole numbers."""
        return bool(self.xp.isdtype(array.dtype, "integral"))

    def asarray(self, value: Any, dtype: str | None = None) -> Array:
        """Return the value as an array of this backend, moved and converted where needed.

        A copy is made only where the value is not such an array already.
        """
        return self.xp.asarray(value, dtype=None if dtype is None else self.dtype(dtype))

    def constant(self, values: Any, dtype: str | None = None) -> Array:
        """Return values of the host that may come again, such as lengths or class weights: an array to be read alone.

        A backend of a device brings the same ones there once. What lies there already stays.
        """
        return self.xp.asarray(values, dtype=None if dtype is None else self.dtype(dtype))

    def note_constant(self, values: np.ndarray[Any, Any], array: Array, *, as_it_lies: bool = False) -> None:
        """Note that an array holds values of the host that `constant` may be asked for; for backends of a device.

        With ``as_it_lies`` the memory of which it is a small part is kept too, and nothing is copied.
        """

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        """Return the array on the host, as NumPy's."""
        return np.asarray(array)

    def empty(self, shape: Sequence[int], dtype: Any) -> Array:
        """Return an array whose content is not set. The one hook through which kernels take memory."""
        return self.xp.empty(tuple(shape), dtype=dtype)

    def zeros(self, shape: Sequence[int], dtype: Any) -> Array:
        """Return an array of zeros."""
        return self.xp.zeros(tuple(shape), dtype=dtype)

    def full(self, shape: Sequence[int], value: float, dtype: Any) -> Array:
        """Return an array filled with one value."""
        return self.xp.full(tuple(shape), value, dtype=dtype)

    def copy(self, array: Array) -> Array:
        """Return a copy that shares no memory with the array."""
        return self.xp.asarray(array, copy=True)

    def astype(self, array: Array, dtype: Any) -> Array:
        """Return the array converted to a dtype of the array module."""
        return self.xp.astype(array, dtype)

    def reshape(self, array: Array, shape: Sequence[int]) -> Array:
        """Return the array in another shape; -1 once stands for what is left."""
        return self.xp.reshape(array, tuple(shape))

    def permute(self, array: Array, axes: Sequence[int]) -> Array:
        """Return the array with its axes in another order: a view where possible."""
        return self.xp.permute_dims(array, tuple(axes))

    def concatenate(self, arrays: Sequence[Array], axis: int) -> Array:
        """Return the arrays joined along an axis."""
        return self.xp.concat(list(arrays), axis=axis)

    def split(self, array: Array, sizes: Sequence[int], axis: int) -> list[Array]:
        """Return consecutive slices of the array along an axis, of the given sizes: views where possible."""
        axis %= array.ndim
        pieces, start = [], 0
        for size in sizes:
            index = tuple(slice(start, start + size) if a == axis else slice(None) for a in range(array.ndim))
            pieces.append(array[index])
            start += size
        return pieces

    def matmul(self, a: Array, b: Array) -> Array:
        """Return the product of matrices (..., m, k) and (..., k, n), in the precision that `in_precision` sets."""
        return self.xp.matmul(a, b)

    def sum_to(self, array: Array, shape: Sequence[int]) -> Array:
        """Return the array summed over the axes along which ``shape`` was broadcast to it."""
        lead = array.ndim - len(shape)
        axes = tuple(range(lead)) + tuple(
            lead + i for i, size in enumerate(shape) if size == 1 and array.shape[lead + i] != 1
        )
        if axes:
            array = self.xp.sum(array, axis=axes)
        return self.xp.reshape(array, tuple(shape))

    def item(self, scalar: Array) -> float:
        """Return a 0-d array as a Python float; waits for the device."""
        return float(scalar)

    def all_finite(self, array: Array) -> bool:
        """Tell whether no element is NaN or infinite; waits for the device."""
        return bool(self.xp.all(self.xp.isfinite(array)))

    def every_finite(self, arrays: Sequence[Array]) -> bool:
        """Tell whether no element of any array is NaN or infinite; waits for the device, once where none is."""
        xp, total = self.xp, 0.0
        with np.errstate(all="ignore"):
            for array in arrays:  # a sum is finite only where every term is
                total = total + (xp.sum(array) if array.ndim else array)
            if math.isfinite(self.item(total)):
                return True
        # Finite terms may have overflowed in the sum.
        return all(self.all_finite(array) for array in arrays)

    def valid_steps(self, lengths: Array, time: int) -> Array:
        """Return which steps lie before each row's end: (batch, time), bool."""
        lengths = self.constant(lengths, "int64")
        steps = self.xp.arange(time, dtype=lengths.dtype)
        return steps[None, :] < lengths[:, None]

    def zero_past(self, array: Array, lengths: Array | None) -> Array:
        """Return the (batch, time, ...) array with zeros past each row's end; itself without lengths."""
        if lengths is None:
            return array
        valid = self.valid_steps(lengths, array.shape[1])
        valid = self.xp.reshape(valid, valid.shape + (1,) * (array.ndim - 2))
        return self.xp.where(valid, array, self.zeros((), array.dtype))

    def last_step(self, array: Array, lengths: Array | None) -> Array:
        """Return the last valid step of (batch, time, features) as (batch, features); 0 for an empty row."""
        if lengths is None:
            return array[:, -1, :]
        lengths = self.constant(lengths, "int64")
        batch, _, features = array.shape
        last = self.xp.maximum(lengths - 1, self.zeros((), lengths.dtype))
        index = self.xp.broadcast_to(last[:, None, None], (batch, 1, features))
        picked = self.xp.take_along_axis(array, index, axis=1)[:, 0, :]
        return self.xp.where(lengths[:, None] > 0, picked, self.zeros((), array.dtype))

    def scatter_last_step(self, values: Array, lengths: Array | None, time: int) -> Array:
        """Return zeros (batch, time, features) with the values at each row's last valid step.

        The gradient of `last_step`.
        """
        if lengths is None:
            batch, features = values.shape
            scattered = self.zeros((batch, time, features), values.dtype)
            scattered[:, time - 1 :, :] = values[:, None, :]
            return scattered
        lengths = self.constant(lengths, "int64")
        steps = self.xp.arange(time, dtype=lengths.dtype)
        is_last = (steps[None, :] == lengths[:, None] - 1)[:, :, None]
        return self.xp.where(is_last, values[:, None, :], self.zeros((), values.dtype))

    def synchronize(self) -> None:
        """Wait until the device has finished all work given to it. Nothing to do on a host."""

    def moved(self, array: Array, source: ArrayOperations) -> Array:
        """Return another backend's array as one of this backend's, dtype kept."""
        if source is self:
            return array
        return self.asarray(source.to_numpy(array))

    def at_work(self) -> AbstractContextManager[None]:
        """Return a context for a long computation, such as training, in which the backend may arrange its threads."""
        return nullcontext()

    def devices(self) -> list[str]:
        """Return a line for each device that this backend can run on."""
        return ["CPU"]

    def require_available(self) -> None:
        """Raise `BackendError`, saying what to install, where this backend cannot run here."""
        if self.xp is None:
            raise BackendError(f"backend {self.name!r} has no array module")
