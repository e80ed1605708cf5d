"""Names a rank that was killed: MPI's launcher kills all others within milliseconds, so a process beside them does.

Run by itself, this file is that process: see `Watcher`. Each rank holds a connection to it, which the system closes
where the rank ends, before the launcher can have heard of it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
from collections.abc import Sequence

__all__ = ["Watcher", "listening"]

_ORDERLY = b"."


def listening(rank: int) -> socket.socket | None:
    """Return, on rank 0 and where the system has such, the socket that the watching process is to accept ranks at."""
    if rank or sys.platform != "linux":
        return None
    one = socket.socket(socket.AF_UNIX)
    one.bind(_name(os.getpid()))
    one.listen(1024)
    return one


class Watcher:
    """Holds this rank's connection to the process that watches the ranks, where all are on one machine.

    Of several machines the launcher's own word names the process and the machine.

    Parameters
    ----------
    rank : int
        This process's: rank 0 starts the one that watches.
    where : sequence of (int, str)
        Of each rank its process's number and its machine.
    at : socket, optional
        What `listening` gave on rank 0.
    """

    def __init__(self, rank: int, where: Sequence[tuple[int, str]], at: socket.socket | None) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        if len({host for _, host in where}) > 1 or sys.platform != "linux":
            if at is not None:
                at.close()
            return
        with contextlib.suppress(OSError):  # a word less
            one = socket.socket(socket.AF_UNIX)
            one.connect(_name(where[0][0]))
            one.sendall(rank.to_bytes(4, "little"))
            self._connection = one
        if at is not None:
            command = [sys.executable, "-I", "-S", __file__, *(str(process) for process, _ in where)]
            with contextlib.suppress(OSError):
                self._process = subprocess.Popen(command, stdin=at.fileno(), start_new_session=True)
            at.close()

    def close(self) -> None:
        """Say that this rank ends as it should."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.sendall(_ORDERLY)
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _name(process: int) -> str:
    return f"\0lamina-ranks-{process}"


def watch(at: socket.socket, processes: Sequence[int]) -> str:
    """Wait until a rank ends without a word, or all have said one; return what to say: nothing that is a guess."""
    ranks: dict[int, tuple[int, socket.socket]] = {}
    at.settimeout(10)
    for _ in processes:
        try:
            one, _ = at.accept()
        except OSError:  # some cannot reach this, as from another network namespace
            return ""
        ranks[one.fileno()] = int.from_bytes(one.recv(4), "little"), one
    while ranks:
        ready, _, _ = select.select(list(ranks), [], [])
        ended = []
        for descriptor in ready:
            rank, one = ranks.pop(descriptor)
            with one:
                if one.recv(1) != _ORDERLY:
                    ended.append(rank)
        if ended:  # of several at once nobody knows which was the first
            for _, one in ranks.values():
                one.close()
            return _told(ended[0], processes) if len(ended) == 1 else ""
    return ""


def _told(rank: int, processes: Sequence[int]) -> str:
    who = f"rank {rank} of {len(processes)} (process {processes[rank]})"
    return f"lamina: {who} ended without a word, as one does that is killed: all ranks end"


if __name__ == "__main__":
    with contextlib.suppress(OSError):  # to be there before the others are gone, where that is allowed
        os.nice(-10)
    told = watch(socket.socket(fileno=0), [int(one) for one in sys.argv[1:]])
    if told:
        os.write(2, f"{told}\n".encode())
