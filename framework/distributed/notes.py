"""What ranks tell each other beside the work: that they have failed, or wait. Nobody has to listen."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

__all__ = ["Notes"]

# Bytes of a note: so few are sent without the other side's help.
_SIZE = 1024


class Notes:
    """Notes from rank to rank, over MPI.

    Parameters
    ----------
    mpi : module
        mpi4py's ``MPI``.
    rank, size : int
    """

    def __init__(self, mpi: Any, rank: int, size: int) -> None:
        self._mpi = mpi
        self._world = mpi.COMM_WORLD.Dup()
        self._rank = rank
        self._size = size
        self._run = 0
        self._sent: list[Any] = []  # requests with their buffers, which MPI reads until it is done
        self._failed: dict[int, str] = {}
        self._waiting: set[int] = set()

    def begin(self) -> None:
        """Begin a run: notes of those before it count no more."""
        self._run += 1
        self._failed, self._waiting = {}, set()

    def send(self, kind: str, reason: str) -> None:
        """Send a note to all other ranks, and wait for none of them."""
        text = json.dumps({"run": self._run, "kind": kind, "reason": reason[: _SIZE // 8]})
        content = np.frombuffer(text.encode().ljust(_SIZE), np.uint8)
        for rank in range(self._size):
            if rank != self._rank:
                self._sent.append((self._world.Isend(content, rank), content))

    def failed(self) -> tuple[int, str] | None:
        """Return the first rank that told that it failed, and why; None where none did."""
        self._read()
        return min(self._failed.items(), default=None)

    def waiting(self) -> set[int]:
        """Return the ranks that told that they wait."""
        self._read()
        return self._waiting

    def _read(self) -> None:
        status = self._mpi.Status()
        while self._world.Iprobe(status=status):
            content, rank = np.empty(_SIZE, np.uint8), status.Get_source()
            self._world.Recv(content, rank)
            note = json.loads(content.tobytes())
            if note["run"] != self._run:
                continue
            if note["kind"] == "failed":
                self._failed.setdefault(rank, note["reason"])
            else:
                self._waiting.add(rank)
