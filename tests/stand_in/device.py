"""The device: one, with a stream that does at once what it is given."""

from types import SimpleNamespace

from tests.stand_in.counting import ledger
from tests.stand_in.cublas import CUDA_TYPES, cublas, get_cublas_handle

__all__ = ["cuda"]


class CUDARuntimeError(RuntimeError):
    """Stands for ``cupy.cuda.runtime.CUDARuntimeError``."""


class Stream:
    """Stands for ``cupy.cuda.Stream``."""

    def synchronize(self):
        ledger.note("wait", "stream")


_stream = Stream()
_PROPERTIES = {"name": b"stand-in", "totalGlobalMem": 2**30, "major": 9, "minor": 0}

cuda = SimpleNamespace(
    runtime=SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda index: dict(_PROPERTIES),
        **CUDA_TYPES,
    ),
    cublas=cublas,
    get_cublas_handle=get_cublas_handle,
    Stream=Stream,
    get_current_stream=lambda: _stream,
)
