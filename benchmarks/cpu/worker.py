"""A contestant's own process: it gets work ready, and times a turn of it whenever it is asked to."""

from __future__ import annotations

import copy
import gc
import os
import signal
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # nothing is imported before the process keeps to its cores
    from multiprocessing.connection import Connection

    from benchmarks.cpu.contestants import Contestant
    from benchmarks.cpu.prepared import Prepared

__all__ = ["keep_to", "serve", "short"]

_WARM_UP_CALLS = 3
_WARM_UP_SECONDS = 1.0


def keep_to(cores: tuple[int, ...]) -> None:
    """Keep this process to these cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def short(error: BaseException) -> str:
    """Return what went wrong in one line."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0].strip() if lines else ''}"[:200]


def serve(connection: Connection, contestant: Contestant, cores: tuple[int, ...]) -> None:
    """Answer the parent's messages until it closes the pipe; waiting for one takes no time of the cores."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends all
    keep_to(cores)
    try:
        module = import_module(f"benchmarks.cpu.contestants.{contestant.module}")
        module.start(len(cores), **contestant.options)
    except Exception as error:
        connection.send(("failed", short(error)))
        return
    connection.send(("ready", None))
    turns = _Turns()
    while True:
        try:
            message, *arguments = connection.recv()
        except EOFError:
            return
        try:
            if message == "prepare":
                work, seconds = arguments
                turns = _Turns()  # what was there goes first, or both would be in memory
                answer = turns.prepare(getattr(module, work.section), work, seconds)
            else:
                answer = turns.turn()
        except NotImplementedError as error:
            connection.send(("refused", str(error)))
        except Exception as error:
            connection.send(("failed", short(error)))
        else:
            connection.send(("ready", answer))


class _Turns:
    """Work that was made ready, and how often a turn repeats it."""

    def __init__(self) -> None:
        self._prepared: Prepared | None = None
        self._repeats = 1

    def prepare(self, make: Callable[[Any], Prepared], work: Any, seconds: float) -> tuple[dict[str, Any], float]:
        """Make work ready; return its results, and the seconds that a turn takes, which is at least about those."""
        gc.collect()
        self._prepared = prepared = make(work)
        results = copy.deepcopy(prepared.results())  # some are views of what training changes
        begun = time.perf_counter()
        for _ in range(_WARM_UP_CALLS):
            prepared.call()
            if time.perf_counter() - begun > _WARM_UP_SECONDS:
                break
        once = self._timed(1)
        self._repeats = max(1, round(seconds / max(once, 1e-7)))
        return results, once * self._repeats

    def turn(self) -> float:
        """Return the seconds of one call, or of one of what it counts; the mean over the turn."""
        assert self._prepared is not None
        if self._repeats > 1:
            self._prepared.call()  # the caches are the other contestants' yet
        return self._timed(self._repeats) / self._repeats / self._prepared.count

    def _timed(self, repeats: int) -> float:
        assert self._prepared is not None
        call = self._prepared.call
        gc.collect()
        gc.disable()
        try:
            begun = time.perf_counter()
            for _ in range(repeats):
                call()
            return time.perf_counter() - begun
        finally:
            gc.enable()
