"""What is brought to a device once: small arrays of the host, known by their content."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np

from lamina.backends.arrays import Array, ArrayOperations

__all__ = ["CuPyConstants"]

# So many are kept, the latest ones, and so many bytes of them.
_MOST, _MOST_BYTES = 256, 2**25
# Larger ones are not looked through for their content at each call: that takes as long as to bring them again.
_LARGEST = 2**16


class CuPyConstants(ArrayOperations):
    """`ArrayOperations.constant` over CuPy."""

    def __init__(self) -> None:
        self._constants: OrderedDict[Any, tuple[Any, Array]] = OrderedDict()
        self._constant_bytes = 0
        self._constants_lock = threading.Lock()

    def constant(self, values: Any, dtype: str | None = None) -> Array:
        """Return values of the host as an array to be read alone; the same ones are brought to the device once.

        They are known by their content, or, where they are an array that is its own and read-only, by its identity.
        """
        if self.is_array(values):
            return self.asarray(values, dtype)
        host = np.asarray(values)
        key = self._key(host, dtype)
        if key is None:
            return self.asarray(host, dtype)
        with self._constants_lock:
            known = self._constants.get(key)
            if known is not None:
                self._constants.move_to_end(key)
                return known[1]
        array = self.asarray(host, dtype)
        self._keep(key, host, array)
        return array

    def note_constant(self, values: np.ndarray[Any, Any], array: Array, *, as_it_lies: bool = False) -> None:
        """Note that an array of the device holds values of the host that `constant` may be asked for."""
        key = self._key(values, None)
        if key is not None:
            # A view of a batch would keep all of it.
            alone = not as_it_lies and _size(array) > 4 * array.nbytes
            self._keep(key, values, array.copy() if alone else array)

    def _key(self, host: np.ndarray[Any, Any], dtype: str | None) -> Any:
        """Return what values are known by on the current stream; None of those that are not kept."""
        fixed = host.base is None and not host.flags.writeable
        if not fixed and host.nbytes > _LARGEST:
            return None
        content: Any = id(host) if fixed else (host.tobytes(), host.shape, host.dtype.str)
        # What was brought on another stream may not be there yet.
        return content, dtype or host.dtype.name, self.xp.cuda.get_current_stream().ptr

    def _keep(self, key: Any, host: np.ndarray[Any, Any], array: Array) -> None:
        with self._constants_lock:
            before = self._constants.pop(key, None)
            # With what its identity is that of: no other array may have it.
            self._constants[key] = (host if type(key[0]) is int else None), array
            self._constant_bytes += _size(array) - (0 if before is None else _size(before[1]))
            while self._constants and (len(self._constants) > _MOST or self._constant_bytes > _MOST_BYTES):
                _, (_, oldest) = self._constants.popitem(last=False)
                self._constant_bytes -= _size(oldest)


def _size(array: Array) -> int:
    """Return how many bytes an array keeps."""
    return int((array if array.base is None else array.base).nbytes)
