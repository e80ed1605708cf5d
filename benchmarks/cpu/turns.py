"""Contestants agree, then take turns: A B A B ..., so that a drift of the machine's speed hits them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from benchmarks.cpu.contestants import CONTESTANTS
from benchmarks.cpu.processes import ContestantError, Process, RefusedError
from benchmarks.cpu.work import Work

__all__ = ["Company", "Pace", "largest_difference"]

_TOLERANCE = 1e-3


class Pace:
    """How long and how often contestants are timed.

    Parameters
    ----------
    quick : bool
        Whether it is only to be seen that all works.
    """

    def __init__(self, quick: bool = False) -> None:
        self.turn = 0.03 if quick else 0.06
        self.most, self.least = (3, 1) if quick else (9, 5)
        self.seconds = 3.0 if quick else 6.0
        self.limit = 150.0

    def rounds(self, seconds: float) -> int:
        """Return how many rounds there are, where one takes so many seconds."""
        return max(self.least, min(self.most, int(self.seconds / max(seconds, 1e-9))))


class Company:
    """The contestants' processes, for one number of threads.

    Parameters
    ----------
    threads : int
    pace : Pace
    tell : callable
        Called with a line for whoever waits.
    avx2 : bool
        Whether they are held to AVX2.
    on_demand : bool
        Whether those take part too who take long.

    Attributes
    ----------
    left_out : list of dict
        Who was left out, of which work, and why.
    """

    def __init__(
        self, threads: int, pace: Pace, tell: Callable[[str], None], avx2: bool = False, on_demand: bool = False
    ) -> None:
        self.threads = threads
        self.pace = pace
        self.left_out: list[dict[str, str]] = []
        self._tell = tell
        self._processes = {
            one.name: Process(one, threads, avx2) for one in CONTESTANTS if on_demand or not one.on_demand
        }
        self._absent: set[str] = set()
        # Threads that spin for more work keep a core busy some tens of milliseconds; one thread alone never waits.
        self._pause = 0.002 if threads == 1 else 0.05

    def __enter__(self) -> Company:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.stop()

    def play(self, work: Work, first: str = "lamina") -> dict[str, list[float]]:
        """Return each contestant's seconds, round by round.

        Parameters
        ----------
        work : Work
        first : str
            The contestant with whom the others must agree.

        Raises
        ------
        SystemExit
            If the first one cannot do the work.
        """
        ready: list[Process] = []
        expected: Mapping[str, Any] = {}
        seconds = 0.0
        for process in self._taking_part(work, first):
            name = process.contestant.name
            try:
                process.start()
            except ContestantError as error:
                if name == first:
                    raise SystemExit(f"{name}: {error}") from error
                self._absent.add(name)
                self._leave_out(name, "all", str(error))
                continue
            try:
                results, turn = process.prepare(work, self.pace.turn, self.pace.limit)
            except ContestantError as error:
                if name == first:
                    raise SystemExit(f"{name}, {work}: {error}") from error
                self._leave_out(name, str(work), str(error), aloud=not isinstance(error, RefusedError))
                continue
            if name == first:
                expected = results
            else:
                place, difference = largest_difference(expected, results)
                if not difference <= _TOLERANCE:
                    self._leave_out(name, str(work), f"differs from {first} in {place} by {difference:.1e}")
                    continue
            ready.append(process)
            seconds += turn + self._pause
        return self._rounds(work, ready, self.pace.rounds(seconds))

    def _rounds(self, work: Work, ready: list[Process], rounds: int) -> dict[str, list[float]]:
        seconds: dict[str, list[float]] = {process.contestant.name: [] for process in ready}
        for _ in range(rounds):
            for process in list(ready):
                name = process.contestant.name
                time.sleep(self._pause)
                try:
                    seconds[name].append(process.turn(self.pace.limit))
                except ContestantError as error:
                    if process is ready[0]:
                        raise SystemExit(f"{name}, {work}: {error}") from error
                    self._leave_out(name, str(work), str(error))
                    ready.remove(process)
                    del seconds[name]
        return seconds

    def _taking_part(self, work: Work, first: str) -> Iterable[Process]:
        """Return the processes of those who do such work, the first one before all others."""
        processes = [
            process
            for name, process in self._processes.items()
            if work.section in process.contestant.sections and name not in self._absent
        ]
        return sorted(processes, key=lambda process: process.contestant.name != first)

    def _leave_out(self, name: str, work: str, reason: str, aloud: bool = True) -> None:
        self.left_out.append({"contestant": name, "threads": str(self.threads), "work": work, "reason": reason})
        if aloud:
            self._tell(f"  left out: {name} of {work}: {reason}")


def largest_difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, float]:
    """Return where two contestants' results differ most, and by how much of the array's largest element."""
    worst, place = 0.0, "nothing"
    for name, array in expected.items():
        if name not in found or np.shape(found[name]) != np.shape(array):
            return name, float("inf")
        scale = max(float(np.abs(array).max()), 1e-6)
        difference = float(np.abs(np.asarray(found[name]) - array).max()) / scale
        if not difference <= worst:  # NaN too
            worst, place = difference, name
    return place, worst
