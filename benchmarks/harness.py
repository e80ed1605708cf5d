"""Interleaved timing: contestants take turns, so that a drift of the machine's speed hits them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["Times", "machine", "measure", "processor", "require_equal"]


@dataclass(frozen=True)
class Times:
    """Seconds a call took, round by round.

    Attributes
    ----------
    seconds : tuple of float
        One for each round: the mean of that round's calls.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median over the rounds, in seconds."""
        return statistics.median(self.seconds)

    def ratio_to(self, other: Times) -> float:
        """Return the median, over the rounds, of this time over the other's in the same round."""
        return statistics.median(a / b for a, b in zip(self.seconds, other.seconds, strict=True))


def measure(
    calls: Mapping[str, Callable[[], object]], *, rounds: int = 15, round_seconds: float = 0.1
) -> dict[str, Times]:
    """Time several calls in turn: A B C, A B C, ...

    Parameters
    ----------
    calls : mapping
        By name.
    rounds : int
    round_seconds : float
        A quick call is repeated within its turn until it took about this long.
    """
    repeats = {}
    for name, call in calls.items():
        for _ in range(3):
            call()
        start = time.perf_counter()
        call()
        once = time.perf_counter() - start
        repeats[name] = max(1, round(round_seconds / max(once, 1e-7)))
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                start = time.perf_counter()
                for _ in range(repeats[name]):
                    call()
                seconds[name].append((time.perf_counter() - start) / repeats[name])
    finally:
        gc.enable()
    return {name: Times(tuple(values)) for name, values in seconds.items()}


def require_equal(results: Mapping[str, Mapping[str, np.ndarray]], tolerance: float) -> None:
    """Raise unless all contestants computed the same, relative to the largest element of each array.

    Parameters
    ----------
    results : mapping
        By contestant, then by what was computed (a loss, a gradient).
    tolerance : float
    """
    first, *others = results
    for name, expected in results[first].items():
        scale = max(float(np.abs(expected).max()), 1e-6)
        for other in others:
            error = float(np.abs(results[other][name] - expected).max()) / scale
            if not error <= tolerance:
                raise SystemExit(f"{other} and {first} differ in {name} by {error:.1e}: nothing to compare")


def machine() -> dict[str, str]:
    """Return what a reader needs to know of the machine: processor, cores, versions, BLAS and its threads."""
    import os
    import platform

    facts = {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return facts
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            facts["blas"] = f"{pool['internal_api']} {pool['version']}, {pool['num_threads']} threads"
    return facts


def processor() -> str:
    """Return the processor's name, as the system gives it."""
    import platform
    from pathlib import Path

    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
