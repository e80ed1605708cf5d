"""Which communicators there are, and how one of another package is found."""

from __future__ import annotations

from functools import partial
from typing import Any

from lamina.backends.plug_ins import factory_of, plug_ins
from lamina.distributed.communicator import TIMEOUT, Communicator
from lamina.errors import DistributedError

__all__ = ["available_communicators", "connect", "mpi", "nccl"]

_BUILT_IN = {
    "mpi": "lamina.distributed.over_mpi:MPICommunicator",
    "nccl": "lamina.distributed.over_nccl:NCCLCommunicator",
}


_plug_ins = partial(plug_ins, "lamina.communicators")


def available_communicators() -> tuple[str, ...]:
    """Return the names of all communicators, whether or not they can run on this machine."""
    return tuple(sorted({*_BUILT_IN, *_plug_ins()}))


def connect(communicator: str | Communicator = "mpi", **options: Any) -> Communicator:
    """Return a communicator by name, with this process's place among the ranks.

    Parameters
    ----------
    communicator : str or Communicator
        ``"mpi"``, ``"nccl"``, or what an entry point in the group ``lamina.communicators`` names: a class, or
        a function that returns one's instance.
    **options : object
        Such as ``timeout``, for the class.

    Raises
    ------
    UnknownNameError
        If none has that name.
    MissingPackageError
        If what it needs is not installed.
    DistributedError
        If it gives no communicator.
    """
    if isinstance(communicator, Communicator):
        return communicator
    create = factory_of("communicator", communicator, _BUILT_IN, _plug_ins, available_communicators, DistributedError)
    created: object = create(**options)
    if not isinstance(created, Communicator):
        raise DistributedError(
            f"communicator {communicator!r}: expected a lamina.distributed.Communicator, got {type(created).__name__}"
        )
    return created


def mpi(timeout: float = TIMEOUT) -> Communicator:
    """Return the communicator of all processes that ``mpiexec`` started, over MPI: for arrays of the host.

    Those of a device go through the host.

    Parameters
    ----------
    timeout : float
        For how many seconds a rank waits for the others before it takes one of them as hung, and all end.

    Raises
    ------
    MissingPackageError
        If mpi4py, or an MPI, is not installed.
    """
    return connect("mpi", timeout=timeout)


def nccl(timeout: float = TIMEOUT) -> Communicator:
    """Return the communicator of all processes that ``mpiexec`` started, each with a GPU of its own, over NCCL.

    Arrays of CuPy go through NCCL, from GPU to GPU; what is on the host, and how ranks find each other, through MPI.
    Each rank takes the GPU of its number on its machine.

    Parameters
    ----------
    timeout : float
        As for `mpi`.

    Raises
    ------
    MissingPackageError
        If mpi4py, an MPI, CuPy or NCCL is not installed.
    BackendError
        If there are fewer GPUs than ranks on this machine.
    """
    return connect("nccl", timeout=timeout)
