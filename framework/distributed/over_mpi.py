"""Ranks over MPI: for arrays of the host. It never waits for ever: a rank that has failed, or hangs, ends all."""

from __future__ import annotations

import atexit
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, ClassVar

from lamina.backends import Array
from lamina.core.arguments import number
from lamina.distributed.communicator import TIMEOUT, Communicator, Pending, require_operation, values_of
from lamina.distributed.notes import Notes
from lamina.distributed.watching import Watcher, listening
from lamina.errors import DistributedError, MissingPackageError

__all__ = ["MPICommunicator"]

# For so many seconds a rank that waits gives its processor to others alone, for so many it sleeps little, then longer.
_EAGER, _PATIENT = 0.002, 1.0
_SHORT, _LONG = 0.0001, 0.005
# How long ranks that found one hung wait for each other's word, and those that are not to say so for the one that is.
_GRACE = 2.0
_DEFERENCE = 5.0


class _Request(Pending):
    """A reduction of MPI's that was started."""

    def __init__(self, owner: MPICommunicator, request: Any) -> None:
        self._owner = owner
        self._request = request

    def wait(self) -> None:
        self._owner.wait_for(self._request)

    def advance(self) -> None:
        self._request.Test()


class MPICommunicator(Communicator):
    """All processes that MPI's launcher started.

    Parameters
    ----------
    timeout : float
        For how many seconds a rank waits for the others before it takes one of them as hung.

    Attributes
    ----------
    where : list of (int, str)
        Of each rank its process's number and its machine.

    Raises
    ------
    MissingPackageError
        If mpi4py, or an MPI, is not installed.

    Notes
    -----
    A rank that fails tells the others, and ends them once it ends itself, with MPI's own means. One that is killed,
    which MPI's launcher sees, is named by a process beside the ranks of a machine: the launcher kills the others at
    once. One that hangs is found by the others, which wait in vain.
    """

    name = "mpi"
    _open: ClassVar[list[MPICommunicator]] = []

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self.timeout = number("mpi", "timeout", timeout, above=0)
        self._mpi = mpi = _library()
        self._world = mpi.COMM_WORLD.Dup()
        self.rank, self.size = self._world.Get_rank(), self._world.Get_size()
        self.sent = 0
        at = None if self._open else listening(self.rank)
        self.where: list[tuple[int, str]] = self._world.allgather((os.getpid(), socket.gethostname()))
        self._notes = Notes(mpi, self.rank, self.size)
        self._broken = ""
        self._operations = {"sum": mpi.SUM, "max": mpi.MAX}
        if self.size > 1:
            self._open.append(self)
        if self._open == [self]:
            # Once a process, however many communicators it has.
            hook, watcher = sys.excepthook, Watcher(self.rank, self.where, at)
            atexit.register(_end, self._open, watcher, mpi)
            sys.excepthook = partial(_uncaught, self._open, hook)

    def allreduce(self, array: Array, operation: str = "sum") -> None:
        """Reduce an array of the host, in place."""
        self.start(array, operation).wait()

    def start(self, array: Array, operation: str = "sum") -> Pending:
        """Begin to reduce an array of the host."""
        self._require_sound()
        operation = require_operation(operation)
        self.sent += array.nbytes
        request = self._world.Iallreduce(self._mpi.IN_PLACE, values_of(array), self._operations[operation])
        return _Request(self, request)

    def broadcast(self, array: Array, root: int = 0) -> None:
        """Replace an array of the host by that of a rank."""
        self._require_sound()
        self.sent += array.nbytes if self.rank == root else 0
        self.wait_for(self._world.Ibcast(values_of(array), root))

    def barrier(self) -> None:
        """Return once all ranks are here."""
        self._require_sound()
        self.wait_for(self._world.Ibarrier())

    def begin(self) -> None:
        """Begin a run: what failed before it is past."""
        self._require_sound()
        self._notes.begin()

    def fail(self, reason: str) -> None:
        """Tell the other ranks that this one has failed: they end with this reason; so do all once this one ends."""
        if not self._broken and self.size > 1:
            self._broken = reason
            self._notes.send("failed", reason)

    def wait_for(self, request: Any) -> None:
        """Return once a request of MPI's has ended.

        Raises
        ------
        DistributedError
            If another rank has failed, or does not come.
        """
        began = time.monotonic()
        while not request.Test():
            waited = time.monotonic() - began
            if waited < _EAGER:
                os.sched_yield()
                continue
            found = self._notes.failed()
            if found is not None:
                rank, reason = found
                self._refuse(f"rank {rank} of {self.size} {self._at(rank)} failed: {reason}")
            if waited > self.timeout:
                self._refuse_hung(request)
            time.sleep(_SHORT if waited < _PATIENT else _LONG)

    def _refuse_hung(self, request: Any) -> None:
        """Find which ranks do not wait as this one does, and raise; return where they came after all."""
        self._notes.send("waits", "")
        until = time.monotonic() + _GRACE
        while time.monotonic() < until:
            if request.Test():
                return
            time.sleep(_LONG)
        waiting = self._notes.waiting() | {self.rank}
        missing = [rank for rank in range(self.size) if rank not in waiting]
        who = " and ".join(f"rank {rank} of {self.size} {self._at(rank)}" for rank in missing) or "no rank"
        told = f"{who} did not come within {self.timeout:g} s to where the other ranks wait: all end"
        self._refuse(told, others_tell=self.rank != min(waiting))

    def _refuse(self, reason: str, others_tell: bool = True) -> None:
        """Raise, once the rank that is to say why has had the time to, and to end all."""
        self._broken = reason
        if others_tell:
            time.sleep(_DEFERENCE)
        raise DistributedError(reason)

    def _require_sound(self) -> None:
        if self._broken:
            raise DistributedError(f"{self!r}: cannot be used any more: {self._broken}")

    def _at(self, rank: int) -> str:
        process, host = self.where[rank]
        return f"(process {process} on {host})"

    @property
    def is_broken(self) -> bool:
        """Whether this rank, or another, has failed."""
        return bool(self._broken)


# How a rank ends: with all others, or by ending them.


def _uncaught(
    several: list[MPICommunicator],
    hook: Callable[..., object],
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """Print an error that nobody caught, as before, and tell the other ranks of it."""
    hook(kind, error, trace)
    for one in several:
        one.fail(f"{kind.__name__}: {error}")


def _end(several: list[MPICommunicator], watcher: Watcher, mpi: Any) -> None:
    """End this process, and where something has failed all others: MPI would wait for them, and they for this one."""
    watcher.close()
    if any(one.is_broken for one in several):
        sys.stdout.flush()
        sys.stderr.flush()
        mpi.COMM_WORLD.Abort(1)


def _library() -> Any:
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the package, or what it finds no library of
        told = f"mpi: needs mpi4py and an MPI: pip install -e '.[mpi]' ({error})"
        raise MissingPackageError(told) from error
    return MPI
