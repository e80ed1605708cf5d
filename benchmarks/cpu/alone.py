"""Some training steps in a new process, from its start to its end: ``python -m benchmarks.cpu.alone``.

Arguments: the contestant, how many steps, the kind of layer, then batch, time, features and units. Prints how much
memory the process had at most when the contestant was imported, and at its end.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module

from benchmarks.cpu.contestants import find

__all__ = ["main"]


def _most_memory() -> int:
    """Return the most bytes of memory that this process had."""
    import resource  # which Windows lacks

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def main() -> None:
    """Run the steps."""
    name, steps, kind, *shape = sys.argv[1:]
    contestant = find(name)
    module = import_module(f"benchmarks.cpu.contestants.{contestant.module}")
    module.start(int(os.environ["BENCHMARK_THREADS"]), **contestant.options)
    imported = _most_memory()

    from benchmarks.cpu.work import Training

    prepared = module.training(Training(kind, *map(int, shape)))
    for _ in range(int(steps)):
        prepared.call()
    print(json.dumps({"imported": imported, "most": _most_memory()}))


if __name__ == "__main__":
    main()
