"""What a whole process takes: the time from its start to a first trained batch, and the memory of training."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.cpu.contestants import find
from benchmarks.cpu.processes import cores_for, environment
from benchmarks.cpu.work import KINDS, Training

__all__ = ["memory", "start_up"]

_ROOT = Path(__file__).resolve().parent.parent.parent
_NAMES = ("lamina", "lamina engine", "lamina numba", "pytorch", "jax", "keras")
_FIRST = Training("SimpleRNN", 32, 28, 28, 64)
_LONG = (16, 1000, 32, 128)
_STEPS = 3
_LIMIT = 180

Tell = Callable[[str], None]


def _run(name: str, work: Training, steps: int, threads: int, avx2: bool) -> tuple[float, dict[str, int]]:
    """Return the seconds that a process took, and what it says of its memory.

    Raises
    ------
    OSError
        If it fails.
    """
    cores = ",".join(map(str, cores_for(threads)))
    command = [sys.executable, "-m", "benchmarks.cpu.alone", name, cores, steps, work.kind, *work.shape]
    begun = time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command],
        cwd=_ROOT,
        env=environment(find(name), threads, avx2),
        capture_output=True,
        text=True,
        timeout=_LIMIT,
    )
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise OSError((done.stderr.strip().splitlines() or ["failed"])[-1])
    return seconds, json.loads(done.stdout.splitlines()[-1])


def start_up(threads: int, tell: Tell, rounds: int, avx2: bool = False) -> dict[str, Any]:
    """Return each contestant's seconds, round by round."""
    seconds: dict[str, list[float]] = {}
    for name in _NAMES:
        try:
            # Reads files into memory and compiles modules, so that no round has to.
            _run(name, _FIRST, 1, threads, avx2)
        except (OSError, subprocess.TimeoutExpired) as error:
            tell(f"  left out: {name}: {error}")
        else:
            seconds[name] = []
    for _ in range(rounds):
        for name, values in seconds.items():
            values.append(_run(name, _FIRST, 1, threads, avx2)[0])
    tell("  " + ", ".join(f"{name} {statistics.median(values):.2f} s" for name, values in seconds.items()))
    return {"kind": _FIRST.kind, "shape": list(_FIRST.shape), "seconds": seconds}


def memory(threads: int, tell: Tell, kinds: tuple[str, ...] = KINDS, avx2: bool = False) -> list[dict[str, Any]]:
    """Return a record for each kind: bytes at most, when imported and at the end, by contestant."""
    records = []
    for kind in kinds:
        found = {}
        for name in _NAMES:
            try:
                _, found[name] = _run(name, Training(kind, *_LONG), _STEPS, threads, avx2)
            except (OSError, subprocess.TimeoutExpired) as error:
                tell(f"  left out: {name} of {kind}: {error}")
        line = ", ".join(
            f"{name} {one['most'] / 1e6:.0f} MB ({(one['most'] - one['imported']) / 1e6:.0f} since the import)"
            for name, one in found.items()
        )
        tell(f"  {kind} {_LONG}: {line}")
        records.append({"kind": kind, "shape": list(_LONG), "bytes": found})
    return records
