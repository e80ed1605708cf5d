"""Data on their way to a CUDA device: through pinned memory, on a stream of its own, while the device computes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.generic.uploads import Pick, UploadOperations

__all__ = ["CuPyUploads", "Staging"]

HostArray = np.ndarray[Any, Any]

# Where arrays begin in a block of memory: a multiple of what any load of a kernel asks for.
_ALIGNMENT = 256
# Pieces of pinned memory, each with its own copy on the way: two are enough, unless the host runs far ahead.
_SLOTS = 4
# A large array goes in pieces of so many bytes: enough that a copy is as fast as the bus is.
_PIECE = 2**24


class _Slot:
    """A piece of pinned memory, and the events of the copy from it."""

    def __init__(self, cupy: Any, size: int) -> None:
        self.memory: HostArray = np.frombuffer(cupy.cuda.alloc_pinned_memory(size), np.uint8, size)
        #: What was asked of the device before the copy, which may write where that reads.
        self.before = cupy.cuda.Event(disable_timing=True)
        self.copied = cupy.cuda.Event(disable_timing=True)


class _Sent(NamedTuple):
    """Arrays on their way, and the event after which they are there."""

    arrays: tuple[Array, ...]
    copied: Any


class Staging:
    """Copies from pinned memory on a stream of their own; for one thread.

    The protocol. (1) A piece of pinned memory is written only once the copy from it, if any, is done. (2) The copy
    waits for all that the device was asked for before it: the memory that it writes may have been another array's,
    which that still reads. (3) Whoever uses what was copied lets their stream wait for the copy. What is asked for
    between (2) and (3) runs beside the copy.

    Parameters
    ----------
    cupy : module
    """

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._slots: list[_Slot] = []  # that whose copy was asked for first comes first

    def send(self, arrays: Sequence[HostArray], pick: Pick) -> _Sent:
        """Begin to copy the rows picked of some arrays, as one block; see `receive`."""
        rows = len(range(*pick.indices(len(arrays[0])))) if isinstance(pick, slice) else len(pick)
        shapes = [(rows, *array.shape[1:]) for array in arrays]
        starts, size = [], 0
        for array, shape in zip(arrays, shapes, strict=True):
            starts.append(size)
            size += -(-array.dtype.itemsize * int(np.prod(shape, dtype=np.int64)) // _ALIGNMENT) * _ALIGNMENT
        slot = self._free_slot(size)
        self._slots.append(slot)
        views = [
            _view(slot.memory, start, shape, array.dtype)
            for start, shape, array in zip(starts, shapes, arrays, strict=True)
        ]
        for array, view in zip(arrays, views, strict=True):
            if isinstance(pick, slice):
                view[...] = array[pick]
            else:
                np.take(array, pick, axis=0, out=view, mode="clip")  # which, unlike "raise", writes straight there
        with self._stream:
            block = self._cupy.empty(size, np.uint8)
        self._copy(slot, block, size)
        found = [_view(block, start, shape, a.dtype) for start, shape, a in zip(starts, shapes, arrays, strict=True)]
        return _Sent(tuple(found), slot.copied)

    def receive(self, sent: _Sent) -> tuple[Array, ...]:
        """Return what was sent, for what the current stream is asked for from now on."""
        self._cupy.cuda.get_current_stream().wait_event(sent.copied)
        return sent.arrays

    def copy_whole(self, array: HostArray) -> Array:
        """Return a large array on the device, copied piece by piece."""
        host = np.ascontiguousarray(array)
        flat = host.reshape(-1).view(np.uint8)
        whole = self._cupy.empty(array.shape, array.dtype)
        target = whole.reshape(-1).view(np.uint8)
        slot = None
        for start in range(0, flat.size, _PIECE):
            piece = flat[start : start + _PIECE]
            slot = self._free_slot(piece.size)
            self._slots.append(slot)
            slot.memory[: piece.size] = piece
            self._copy(slot, target[start : start + piece.size], piece.size)
        if slot is not None:
            self._cupy.cuda.get_current_stream().wait_event(slot.copied)
        return whole

    def settle(self) -> None:
        """Wait until nothing is on its way."""
        for slot in self._slots:
            slot.copied.synchronize()

    def _copy(self, slot: _Slot, target: Array, size: int) -> None:
        slot.before.record(self._cupy.cuda.get_current_stream())
        self._stream.wait_event(slot.before)
        target.set(slot.memory[:size], stream=self._stream)
        slot.copied.record(self._stream)

    def _free_slot(self, size: int) -> _Slot:
        """Return a piece of so many bytes from which nothing is on its way, no longer one of the list."""
        oldest = self._slots[0] if self._slots else None
        if oldest is None or (len(self._slots) < _SLOTS and not oldest.copied.done):
            return _Slot(self._cupy, size)
        if not oldest.copied.done:
            oldest.copied.synchronize()
        del self._slots[0]
        return oldest if oldest.memory.size >= size else _Slot(self._cupy, size)


class CuPyUploads(UploadOperations):
    """`UploadOperations` over CuPy."""

    def __init__(self) -> None:
        self._own = threading.local()

    def free_memory(self) -> int:
        """Return how many bytes new arrays may take: the device's free ones, and those that CuPy's pool can spare."""
        pool = self.xp.get_default_memory_pool()
        spare = int(pool.free_bytes())
        free = int(self.xp.cuda.runtime.memGetInfo()[0]) + spare
        limit = int(pool.get_limit())
        return min(free, max(limit - int(pool.used_bytes()), 0)) if limit else free

    def upload(self, array: HostArray) -> Array:
        """Return an array of the host, of any size, as one of the device."""
        if array.nbytes <= _PIECE or not self._is_taken(array):
            return self.asarray(array)
        return self._staging().copy_whole(array)

    def upload_rows(self, arrays: Sequence[HostArray], picks: Sequence[Pick]) -> Iterator[tuple[Array, ...]]:
        """Yield the rows of some arrays for each pick; those of the next pick are on their way meanwhile."""
        if not all(map(self._is_taken, arrays)):
            yield from super().upload_rows(arrays, picks)
            return
        staging, ahead = self._staging(), None
        try:
            for pick in picks:
                sent = staging.send(arrays, pick)
                if ahead is not None:
                    yield staging.receive(ahead)
                ahead = sent
            if ahead is not None:
                yield staging.receive(ahead)
                ahead = None
        finally:
            if ahead is not None:  # something is on its way that nobody will ask for
                staging.settle()

    def _is_taken(self, array: HostArray) -> bool:
        """Tell whether bytes may be copied as they are, without a look at them."""
        return array.dtype.isnative and array.dtype.kind in "fiub"

    def _staging(self) -> Staging:
        """Return this thread's."""
        staging: Staging | None = getattr(self._own, "staging", None)
        if staging is None:
            staging = self._own.staging = Staging(self.xp)
        return staging


def _view(memory: Array, start: int, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an array in a block of bytes, of the host or of the device."""
    size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    return memory[start : start + size].view(dtype).reshape(shape)
