"""Names a rank that was killed: MPI's launcher kills all others within milliseconds, so a process beside them does.

Run by itself, this file is that process: see `Watcher`.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Sequence

__all__ = ["Watcher"]

_ORDERLY = b"."


class Watcher:
    """Starts the process that watches the ranks, where all are on one machine and its system can watch processes.

    Of several machines the launcher's own word names the process and the machine.

    Parameters
    ----------
    rank : int
        This process's: rank 0 starts it.
    where : sequence of (int, str)
        Of each rank its process's number and its machine.
    """

    def __init__(self, rank: int, where: Sequence[tuple[int, str]]) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if rank or len({host for _, host in where}) > 1 or not hasattr(os, "pidfd_open"):
            return
        command = [sys.executable, "-I", "-S", __file__, *(str(process) for process, _ in where)]
        with contextlib.suppress(OSError):  # a word less
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def close(self) -> None:
        """End it: from here on ranks end as they should."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(_ORDERLY)
                self._process.stdin.close()
            self._process.wait()
            self._process = None


def watch(processes: Sequence[int]) -> str:
    """Wait until a process ends, or rank 0 says that all end as they should; return what to say: nothing of guesses."""
    ends, gone = select.epoll(), []
    ranks = {}
    for rank, process in enumerate(processes):
        try:
            descriptor = os.pidfd_open(process)
        except OSError:
            gone.append(rank)
            continue
        ranks[descriptor] = rank
        ends.register(descriptor, select.EPOLLIN)
    gone += [ranks[descriptor] for descriptor, _ in ends.poll(0)]
    if not gone:
        ends.register(0, select.EPOLLIN)
        found = [descriptor for descriptor, _ in ends.poll()]
        if 0 in found and os.read(0, 1) == _ORDERLY:
            return ""
        gone = [ranks[descriptor] for descriptor in found if descriptor] or [0]
    # Of several at once, where the machine is too busy, nobody knows which was the first.
    return _told(gone[0], processes) if len(gone) == 1 else ""


def _told(rank: int, processes: Sequence[int]) -> str:
    who = f"rank {rank} of {len(processes)} (process {processes[rank]})"
    return f"lamina: {who} ended without a word, as one does that is killed: all ranks end"


if __name__ == "__main__":
    with contextlib.suppress(OSError):  # to be there before the others are gone, where that is allowed
        os.nice(-10)
    told = watch([int(one) for one in sys.argv[1:]])
    if told:
        os.write(2, f"{told}\n".encode())
