"""Some training steps in a new process, from its start to its end: ``python -m benchmarks.cpu.alone``.

Arguments: the contestant, the cores, how many steps, the kind of layer, then batch, time, features and units.
Prints how much memory the process had at most when the contestant was imported, and at its end.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.cpu.contestants import find
from benchmarks.cpu.worker import keep_to

__all__ = ["main"]


def _most_memory() -> int:
    """Return the most bytes of memory that this process had."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux's getrusage counts what the parent had before this process was one of its own
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource  # which Windows lacks

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def main() -> None:
    """Run the steps."""
    name, cores, steps, kind, *shape = sys.argv[1:]
    keep_to(tuple(map(int, cores.split(","))))
    contestant = find(name)
    module = import_module(f"benchmarks.cpu.contestants.{contestant.module}")
    module.start(cores.count(",") + 1, **contestant.options)
    imported = _most_memory()

    from benchmarks.cpu.work import Training

    prepared = module.training(Training(kind, *map(int, shape)))
    for _ in range(int(steps)):
        prepared.call()
    print(json.dumps({"imported": imported, "most": _most_memory()}))


if __name__ == "__main__":
    main()
