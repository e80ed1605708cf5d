"""The communicator: what several processes that train together need of each other, and nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from lamina.backends import Array, Backend
from lamina.errors import ArgumentError

__all__ = ["OPERATIONS", "TIMEOUT", "Communicator", "Pending", "require_operation", "values_of"]

#: For how many seconds a rank waits for the others.
TIMEOUT = 50.0
#: What `Communicator.allreduce` can make of the ranks' arrays.
OPERATIONS = ("sum", "max")


class Pending:
    """A reduction that was started: what it is of is not to be touched until `wait` has returned."""

    def wait(self) -> None:
        """Return once the array holds the result on this rank.

        Raises
        ------
        DistributedError
            If another rank has failed, or does not come.
        """

    def advance(self) -> None:
        """Let it go on, where the engine does so in calls alone; never waits."""


class Communicator(ABC):
    """The base class of what joins ranks: processes that run the same program, each on its share of the rows.

    One of your own defines ``rank``, ``size``, `allreduce`, `broadcast` and `barrier`. All ranks make the same calls in
    the same order. Arrays are of the host, C-contiguous, of float32, float64, int64 or uint8; where `on_device` says so
    also those of a device. They are written in place.

    Attributes
    ----------
    name : str
    rank : int
        This process's, from 0. Rank 0 writes files and shows progress.
    size : int
        How many there are.
    sent : int
        How many bytes were given to `allreduce` and, by its root, to `broadcast`.

    Examples
    --------
    >>> class Alone(Communicator):
    ...     name, rank, size = "alone", 0, 1
    ...
    ...     def allreduce(self, array, operation="sum"):
    ...         pass
    ...
    ...     def broadcast(self, array, root=0):
    ...         pass
    ...
    ...     def barrier(self):
    ...         pass
    >>> Alone()
    <Alone: rank 0 of 1>
    """

    name: str = ""
    rank: int
    size: int
    sent: int = 0

    @abstractmethod
    def allreduce(self, array: Array, operation: str = "sum") -> None:
        """Replace an array by the sum, or the largest, of all ranks' arrays at each place: on all the same bits.

        Parameters
        ----------
        array : array
            Of the same shape and dtype on all ranks.
        operation : {"sum", "max"}

        Raises
        ------
        DistributedError
            If another rank has failed, or does not come.
        """

    @abstractmethod
    def broadcast(self, array: Array, root: int = 0) -> None:
        """Replace an array by that of a rank."""

    @abstractmethod
    def barrier(self) -> None:
        """Return once all ranks have called this."""

    def start(self, array: Array, operation: str = "sum") -> Pending:
        """Begin what `allreduce` does, and return what to wait for; by default it is all done here."""
        self.allreduce(array, operation)
        return Pending()

    def on_device(self, backend: Backend) -> bool:
        """Tell whether arrays of a backend that are not on the host are taken as they are."""
        return False

    def begin(self) -> None:  # noqa: B027 (there may be nothing to do)
        """Begin a run: what failed before it is past."""

    def fail(self, reason: str) -> None:  # noqa: B027
        """Tell the other ranks, which may be waiting for this one, that it will not come."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: rank {self.rank} of {self.size}>"


def require_operation(operation: str) -> str:
    """Return the name of what ranks' arrays are made into, or raise `ArgumentError`."""
    if operation not in OPERATIONS:
        raise ArgumentError(f"allreduce: expected operation {' or '.join(map(repr, OPERATIONS))}, got {operation!r}")
    return operation


def values_of(array: Any) -> Any:
    """Return an array of the host as MPI takes it, or raise `ArgumentError` where it cannot be written in place."""
    if not array.flags.c_contiguous or not array.flags.writeable:
        raise ArgumentError("communicator: expected a contiguous array that may be written to")
    return array
