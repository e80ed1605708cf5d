"""The device: one, with the memory that a test says it has."""

from types import SimpleNamespace

from tests.stand_in.cublas import CUDA_TYPES, cublas, get_cublas_handle
from tests.stand_in.streams import Event, PinnedMemoryPointer, Stream, alloc_pinned_memory, get_current_stream

__all__ = ["cuda", "get_default_memory_pool", "memory"]


class CUDARuntimeError(RuntimeError):
    """Stands for ``cupy.cuda.runtime.CUDARuntimeError``."""


class _Memory:
    """What is free on the device and in the pool, in bytes; the pool's limit, 0 for none."""

    def __init__(self):
        self.total, self.free = 2**30, 2**29
        self.spare, self.used, self.limit = 0, 0, 0


memory = _Memory()
_PROPERTIES = {"name": b"stand-in", "totalGlobalMem": memory.total, "major": 9, "minor": 0}

cuda = SimpleNamespace(
    runtime=SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda index: dict(_PROPERTIES),
        **CUDA_TYPES,
        memGetInfo=lambda: (memory.free, memory.total),
    ),
    cublas=cublas,
    get_cublas_handle=get_cublas_handle,
    Stream=Stream,
    Event=Event,
    PinnedMemoryPointer=PinnedMemoryPointer,
    alloc_pinned_memory=alloc_pinned_memory,
    get_current_stream=get_current_stream,
)


class MemoryPool:
    """Stands for ``cupy.cuda.MemoryPool``."""

    def free_bytes(self):
        return memory.spare

    def used_bytes(self):
        return memory.used

    def get_limit(self):
        return memory.limit


_pool = MemoryPool()
cuda.MemoryPool = MemoryPool


def get_default_memory_pool():
    return _pool
