"""What tests run on several ranks of the CuPy backend: over a stand-in for CuPy, and for NCCL with MPI beneath."""

from __future__ import annotations

import sys
import types
from typing import ClassVar

import numpy as np

from tests.stand_in import cupy

# As CuPy 14.2's cupyx.distributed has them.
WAYS = "SimpleRNN", "ragged, clipped by norm", "Embedding", "truncated", "BatchNorm", "two outputs"
_OPERATIONS = ("sum", "prod", "max", "min")


class NCCLBackend:
    """Stands for ``cupyx.distributed.NCCLBackend``: what it is given must be arrays of the device."""

    def __init__(self, n_devices, rank, use_mpi):
        from mpi4py import MPI

        self._mpi, self._world = MPI, MPI.COMM_WORLD.Dup()
        if (n_devices, rank) != (self._world.Get_size(), self._world.Get_rank()) or not use_mpi:
            raise RuntimeError("expected the ranks of MPI")
        self.calls = 0

    def _memory(self, array):
        if type(array) is not cupy.ndarray:
            raise TypeError(f"expected an array of the device, got {type(array)}")
        if not array.flags.c_contiguous:
            raise RuntimeError("NCCL requires arrays to be either c- or f-contiguous")
        if array.dtype.char not in "bBiIlLqQefd":
            raise TypeError(f"Unknown dtype {array.dtype} for NCCL")
        self.calls += 1
        return array._host

    def all_reduce(self, in_array, out_array, op="sum", stream=None):
        if op not in _OPERATIONS:
            raise RuntimeError(f"Unknown op {op} for NCCL")
        given, taken = self._memory(in_array), self._memory(out_array)
        self._world.Allreduce(np.array(given), taken, getattr(self._mpi, op.upper()))

    def broadcast(self, in_out_array, root=0, stream=None):
        self._world.Bcast(self._memory(in_out_array), root)

    def barrier(self):
        self._world.Barrier()


class Device:
    """Stands for ``cupy.cuda.Device``."""

    used: ClassVar[list[int]] = []

    def __init__(self, device=None):
        self._id = device

    def use(self):
        if not 0 <= self._id < cupy.cuda.runtime.getDeviceCount():
            raise cupy.cuda.runtime.CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        self.used.append(self._id)


def put_in_place():
    """Put the stand-ins where CuPy and its part for several devices are imported from."""

    def init_process_group(n_devices, rank, *, backend="nccl", host=None, port=None, use_mpi=False):
        if backend != "nccl":
            raise ValueError(f"Invalid backend: '{backend}'")
        return NCCLBackend(n_devices, rank, use_mpi)

    package, distributed = types.ModuleType("cupyx"), types.ModuleType("cupyx.distributed")
    distributed.init_process_group = init_process_group
    package.distributed = distributed
    sys.modules.update({"cupy": cupy, "cupyx": package, "cupyx.distributed": distributed})


def main():
    """Train on the CuPy backend in several ways; print how far ranks come from one process."""
    put_in_place()
    devices, engine = int(sys.argv[1]), sys.argv[2]
    cupy.cuda.runtime.getDeviceCount, cupy.cuda.Device = (lambda: devices), Device
    import lamina
    from tests.framework.distributed import rank_job

    communicator = lamina.distributed.connect(engine, timeout=30)
    rank_job.equal(communicator, "cupy", only=WAYS)
    if engine == "nccl":
        print(f"rank {communicator.rank} on device {Device.used}, {communicator._nccl.calls} calls of NCCL", flush=True)


if __name__ == "__main__":
    main()
