"""Memory that a training step takes and gives back, kept for the next one."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends.forking import after_fork

__all__ = ["Memory"]

_all: weakref.WeakSet[Memory] = weakref.WeakSet()

_Array = np.ndarray[Any, Any]


class _Block:
    """Some bytes, from which one array at a time is made. Every view of that array refers to the bytes."""

    def __init__(self, size: int) -> None:
        self.content: _Array = np.empty(size, np.uint8)
        self.size = size

    def references(self) -> int:
        """Return how many refer to the bytes, whoever asks included."""
        return sys.getrefcount(self.content)


_UNUSED = _Block(0).references()


class Memory:
    """Blocks of memory from which large arrays are made, and made again once nobody refers to them.

    A training step takes the same large blocks as the step before. The system, asked anew, hands them out page by
    page and filled with zeros, which can take as long as what is then done with them.

    Parameters
    ----------
    least : int
        Bytes from which on an array comes from here; smaller ones the C library keeps well enough.
    most : int
        Bytes that unused blocks may take together.
    """

    def __init__(self, least: int = 2**22, most: int = 2**30) -> None:
        self.least = least
        self.most = most
        self._blocks: list[_Block] = []  # the one taken last is the last
        self._lock = threading.Lock()
        _all.add(self)

    def renew(self) -> None:
        """Make the lock anew, in a child: a thread of the parent may hold it."""
        self._lock = threading.Lock()

    def empty(self, shape: Sequence[int], dtype: Any) -> _Array:
        """Return an array whose content is not set, as `numpy.empty` does."""
        array = np.empty(shape, dtype)  # costs nothing yet: a page comes into being when it is written to
        return array if array.nbytes < self.least else self.in_place_of(array)

    def in_place_of(self, array: _Array) -> _Array:
        """Return an array like a large new one, of memory used before where there is some."""
        size = array.nbytes
        with self._lock:
            block = self._unused(size) or _Block(size)
            self._blocks.append(block)
            content = block.content
            self._trim()
        return content[:size].view(array.dtype).reshape(array.shape)

    def _unused(self, size: int) -> _Block | None:
        """Take out and return the smallest unused block that fits, unless it is more than twice as large."""
        fitting = [b for b in self._blocks if size <= b.size <= 2 * size and b.references() == _UNUSED]
        if not fitting:
            return None
        best = min(fitting, key=lambda block: block.size)
        self._blocks.remove(best)
        return best

    def _trim(self) -> None:
        """Forget those unused blocks that were taken the longest ago, until the others are small enough."""
        unused = [block for block in self._blocks if block.references() == _UNUSED]
        excess = sum(block.size for block in unused) - self.most
        for block in unused:
            if excess <= 0:
                break
            self._blocks.remove(block)
            excess -= block.size


@after_fork
def _renew() -> None:
    for memory in _all:
        memory.renew()
