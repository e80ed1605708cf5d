"""Rivals take turns in one process: A B C A B C ..., so that a drift of the clock rates hits them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.gpu.rehearsal import sized

__all__ = ["Rival", "Times", "alternate"]

_ROUNDS, _FEWEST, _TURN, _MOST = 7, 3, 0.02, 1.5


class Rival(NamedTuple):
    """One that is timed.

    Attributes
    ----------
    name : str
    calls : callable
        Makes so many calls, which may still be on their way when it returns.
    """

    name: str
    calls: Callable[[int], None]


class Times:
    """Seconds of a call, round by round.

    Attributes
    ----------
    done : list of float
        Until the device was done with it.
    host : list of float
        Until the host could go on: near the other, the host is what a call waits for.
    """

    def __init__(self) -> None:
        self.done: list[float] = []
        self.host: list[float] = []

    @property
    def median(self) -> float:
        """The median until the device was done, in seconds."""
        return statistics.median(self.done)


def alternate(
    rivals: list[Rival], wait: Callable[[], object], failed: Callable[[str, Exception], None]
) -> dict[str, Times]:
    """Time rivals in turn; one that fails is left out, and the others go on.

    Parameters
    ----------
    rivals : list of Rival
    wait : callable
        Waits until the device has nothing to do.
    failed : callable
        Told who failed, and by what.
    """
    repeats: dict[str, int] = {}
    whole = 0.0
    for rival in list(rivals):
        try:
            for calls in (1, 2):
                start = time.perf_counter()
                rival.calls(calls)
                wait()
            once = (time.perf_counter() - start) / 2
        except Exception as error:
            rivals.remove(rival)
            failed(rival.name, error)
            continue
        repeats[rival.name] = sized(max(1, round(_TURN / max(once, 1e-6))), 1)
        whole += once * repeats[rival.name]
    rounds = sized(max(_FEWEST, min(_ROUNDS, int(_MOST / max(whole, 1e-6)))), 2)
    times = {rival.name: Times() for rival in rivals}
    gc.disable()
    try:
        for _ in range(rounds):
            for rival in list(rivals):
                calls = repeats[rival.name]
                start = time.perf_counter()
                try:
                    rival.calls(calls)
                    host = time.perf_counter() - start
                    wait()
                except Exception as error:
                    rivals.remove(rival)
                    del times[rival.name]
                    failed(rival.name, error)
                    continue
                times[rival.name].done.append((time.perf_counter() - start) / calls)
                times[rival.name].host.append(host / calls)
    finally:
        gc.enable()
    return times
