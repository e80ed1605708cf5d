"""What each rank measures: ``mpiexec -n N python -m benchmarks.ranks.worker``; rank 0 prints JSON."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import numpy as np

import lamina
from benchmarks.ranks.shapes import SHAPES, fitting
from lamina.distributed import Communicator

__all__ = ["main"]

_SIZES = (64, 1 << 10, 1 << 14, 1 << 17, 1 << 20, 1 << 23)
_ROUNDS = 9


def _median(communicator: Communicator, call: Callable[[], object], repeats: int) -> float:
    """Return the seconds of a call, the median over rounds, of the slowest rank in each."""
    call()
    found = []
    for _ in range(_ROUNDS):
        communicator.barrier()
        began = time.perf_counter()
        for _ in range(repeats):
            call()
        slowest = np.array([(time.perf_counter() - began) / repeats])
        communicator.allreduce(slowest, "max")
        found.append(float(slowest[0]))
    return statistics.median(found)


def main() -> None:
    """Measure messages, and steps of each shape."""
    communicator = lamina.distributed.mpi(300)
    messages = {}
    for size in _SIZES:
        array = np.zeros(size // 4, np.float32)
        repeats = max(3, min(500, (1 << 23) // size))
        messages[size] = _median(communicator, lambda array=array: communicator.allreduce(array), repeats)  # type: ignore[misc]
    steps, computed = {}, {}
    for name, (batch, *_) in SHAPES.items():
        # All ranks at once, each by itself: what they share, such as the memory's speed, is then shared as in training.
        fits = {"steps": fitting(name, communicator), "computed": fitting(name, rows=batch // communicator.size)}
        times: dict[str, list[float]] = {which: [] for which in fits}
        for turn in range(4):
            for which, fit in fits.items():
                communicator.barrier()
                found = fit()
                times[which] += found if turn else []
        slowest = np.array([statistics.median(own) for own in times.values()])
        communicator.allreduce(slowest, "max")
        steps[name], computed[name] = slowest.tolist()
    if communicator.rank == 0:
        print(json.dumps({"messages": messages, "steps": steps, "computed": computed}))


if __name__ == "__main__":
    main()
