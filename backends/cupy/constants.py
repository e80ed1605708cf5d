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
        fixed = host is values and host.base is None and not host.flags.writeable
        if not fixed and host.nbytes > _LARGEST:
            return self.asarray(host, dtype)
        # What was brought on another stream may not be there yet.
        stream = self.xp.cuda.get_current_stream().ptr
        content: Any = id(host) if fixed else (host.tobytes(), host.shape, host.dtype.str)
        key = (content, dtype, stream)
        with self._constants_lock:
            known = self._constants.get(key)
            if known is not None:
                self._constants.move_to_end(key)
                return known[1]
        array = self.asarray(host, dtype)
        self.remember(key, host if fixed else None, array)
        return array

    def remember(self, key: Any, host: Any, array: Array) -> None:
        """Keep an array of the device; ``host`` is what must live as long, for its identity."""
        with self._constants_lock:
            before = self._constants.pop(key, None)
            self._constants[key] = host, array
            self._constant_bytes += int(array.nbytes) - (0 if before is None else int(before[1].nbytes))
            while len(self._constants) > _MOST or self._constant_bytes > _MOST_BYTES:
                _, (_, oldest) = self._constants.popitem(last=False)
                self._constant_bytes -= int(oldest.nbytes)
