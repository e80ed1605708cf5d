"""Ranks as threads of one process: what distributed training comes to, without MPI."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from lamina.core.arguments import whole
from lamina.distributed.communicator import Communicator, require_operation, values_of
from lamina.errors import DistributedError

__all__ = ["ThreadCommunicator", "run_ranks"]

_Result = TypeVar("_Result")
# Seconds after which a rank that waits for another gives up: something is wrong.
_PATIENCE = 120.0


class _Table:
    """Where ranks lay what they have, and wait for each other."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.slots: list[Any] = [None] * size
        self.barrier = threading.Barrier(size)
        self.reason = ""

    def meet(self) -> None:
        """Wait for all ranks."""
        try:
            self.barrier.wait(_PATIENCE)
        except threading.BrokenBarrierError:
            raise DistributedError(self.reason or "a rank did not come") from None


class ThreadCommunicator(Communicator):
    """One of several threads that train together.

    Parameters
    ----------
    rank : int
    table : object
        That all of them share.
    """

    name = "threads"

    def __init__(self, rank: int, table: _Table) -> None:
        self.rank, self.size = rank, table.size
        self.sent = 0
        self._table = table

    def allreduce(self, array: Any, operation: str = "sum") -> None:
        """Reduce an array, in the order of the ranks."""
        require_operation(operation)
        self.sent += array.nbytes
        slots = self._share(values_of(array).copy())
        shapes = {(one.shape, one.dtype) for one in slots}
        if len(shapes) > 1:
            raise DistributedError(f"ranks gave arrays of {sorted(map(str, shapes))}")
        reduce = np.maximum if operation == "max" else np.add
        total = slots[0].copy()
        for one in slots[1:]:
            reduce(total, one, out=total)
        self._table.meet()
        array[...] = total

    def broadcast(self, array: Any, root: int = 0) -> None:
        """Replace an array by that of a rank."""
        self.sent += array.nbytes if self.rank == root else 0
        given = self._share(values_of(array).copy())[root]
        self._table.meet()
        array[...] = given

    def barrier(self) -> None:
        """Wait for all ranks."""
        self._table.meet()

    def fail(self, reason: str) -> None:
        """End the others' waiting."""
        self._table.reason = self._table.reason or f"rank {self.rank} of {self.size} failed: {reason}"
        self._table.barrier.abort()

    def _share(self, value: Any) -> list[Any]:
        self._table.slots[self.rank] = value
        self._table.meet()
        return list(self._table.slots)


def run_ranks(count: int, function: Callable[[Communicator], _Result]) -> list[_Result]:
    """Call a function on each of several ranks, which are threads of this process; return what each gave.

    Parameters
    ----------
    count : int
    function : callable
        Is given the rank's communicator, and builds a model of its own: nothing is to be shared but what all only read.

    Raises
    ------
    Exception
        The first that a rank raised.

    Examples
    --------
    >>> def add_up(communicator):
    ...     number = np.array([communicator.rank + 1.0])
    ...     communicator.allreduce(number)
    ...     return float(number[0])
    >>> run_ranks(3, add_up)
    [6.0, 6.0, 6.0]
    """
    table = _Table(whole("run_ranks", "count", count))
    results: list[Any] = [None] * count
    raised: list[BaseException] = []

    def run(rank: int) -> None:
        communicator = ThreadCommunicator(rank, table)
        try:
            results[rank] = function(communicator)
        except BaseException as error:
            raised.append(error)
            communicator.fail(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(rank,), name=f"rank {rank}") for rank in range(count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if raised:
        raise min(raised, key=lambda error: isinstance(error, DistributedError))
    return results
