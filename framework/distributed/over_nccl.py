"""Ranks with a GPU each: arrays of CuPy go through NCCL, what is on the host through MPI."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array, Backend
from lamina.distributed.communicator import TIMEOUT, Pending, require_operation
from lamina.distributed.over_mpi import MPICommunicator
from lamina.errors import BackendError, MissingPackageError

__all__ = ["NCCLCommunicator"]


class NCCLCommunicator(MPICommunicator):
    """All processes that MPI's launcher started, each on the GPU of its number on its machine.

    NCCL's calls are put in the GPU's queue behind the kernels before them: nothing here waits for it.

    Parameters
    ----------
    timeout : float

    Raises
    ------
    MissingPackageError
        If mpi4py, an MPI, CuPy or NCCL is not installed.
    BackendError
        If there are fewer GPUs than ranks on this machine.
    """

    name = "nccl"

    def __init__(self, timeout: float = TIMEOUT) -> None:
        super().__init__(timeout)
        try:
            import cupy
            from cupyx import distributed
        except ImportError as error:
            told = f"nccl: needs CuPy and NCCL: pip install -e '.[cuda13x]' nvidia-nccl-cu13 ({error})"
            raise MissingPackageError(told) from error
        host = self.where[self.rank][1]
        own = [rank for rank, (_, other) in enumerate(self.where) if other == host]
        count = cupy.cuda.runtime.getDeviceCount()
        if len(own) > count:
            raise BackendError(f"nccl: expected a GPU for each of {len(own)} ranks on {host}, found {count}")
        cupy.cuda.Device(own.index(self.rank)).use()
        self._array_type = cupy.ndarray
        self._nccl: Any = distributed.init_process_group(self.size, self.rank, backend="nccl", use_mpi=True)

    def on_device(self, backend: Backend) -> bool:
        """Tell whether a backend's arrays are CuPy's."""
        return backend.array_type is self._array_type

    def start(self, array: Array, operation: str = "sum") -> Pending:
        """Begin to reduce an array of the GPU, or of the host."""
        if not isinstance(array, self._array_type):
            return super().start(array, operation)
        self._require_sound()
        self.sent += array.nbytes
        self._nccl.all_reduce(array, array, op=require_operation(operation))
        return Pending()

    def broadcast(self, array: Array, root: int = 0) -> None:
        """Replace an array of the GPU, or of the host, by that of a rank."""
        if not isinstance(array, self._array_type):
            super().broadcast(array, root)
            return
        self._require_sound()
        self.sent += array.nbytes if self.rank == root else 0
        self._nccl.broadcast(array, root=root)
