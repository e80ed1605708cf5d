"""``python -m benchmarks NAME``: run one benchmark, side by side with its rivals."""

from __future__ import annotations

import argparse
from importlib import import_module

__all__ = ["main"]

_BENCHMARKS = {
    "buckets": "benchmarks.buckets",
    "calls": "benchmarks.calls",
    "cpu": "benchmarks.cpu.command",
    "ctc": "benchmarks.ctc",
    "embedding": "benchmarks.embedding",
    "embedding-start": "benchmarks.embedding_start",
    "gpu": "benchmarks.gpu.command",
    "kernels": "benchmarks.kernels",
    "memory": "benchmarks.memory",
    "optimizers": "benchmarks.optimizers",
    "profile": "benchmarks.profile",
    "ranks": "benchmarks.ranks.command",
    "recurrences": "benchmarks.recurrences",
    "startup": "benchmarks.startup",
    "versions": "benchmarks.versions",
}
_WITH_OPTIONS = ("cpu", "gpu", "profile", "versions")


def main() -> None:
    """Run the benchmark named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time Lamina beside its rivals.")
    parser.add_argument("benchmark", choices=_BENCHMARKS, nargs="?", default="cpu")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="of cpu, gpu, profile and versions: see cpu --help")
    chosen = parser.parse_args()
    if chosen.options and chosen.benchmark not in _WITH_OPTIONS:
        parser.error(f"{chosen.benchmark} has no options")
    # Imported when it runs: what the others import has no part in it.
    module = import_module(_BENCHMARKS[chosen.benchmark])
    if chosen.benchmark in _WITH_OPTIONS:
        module.main(chosen.options)
    else:
        module.main()


if __name__ == "__main__":
    main()
