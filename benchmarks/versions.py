"""Training steps beside another version of Lamina, in one run.

    python -m benchmarks versions PYTHON

PYTHON is the interpreter of an environment where the other version is installed. Both take turns, each in a
process of its own, so that a drift of the machine's speed hits them alike; printed is this version's time over the
other's: the median over the turns.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

__all__ = ["main"]

_WORKER = Path(__file__).with_name("version_worker.py")
_ROUNDS = 25


class _Version:
    """One version's worker: it is told a case's name, and tells the seconds that a step takes."""

    def __init__(self, python: str) -> None:
        # -P: what is installed there is meant, not what lies in the folder.
        self._process = subprocess.Popen(
            [python, "-P", str(_WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.cases = self._line().split()

    def seconds(self, case: str) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{case}\n")
        self._process.stdin.flush()
        return float(self._line())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("versions: a worker ended early: is the other version installed there?")
        return line


def main(options: list[str]) -> None:
    """Time all cases in turn, and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks versions", description=__doc__.partition("\n")[0])
    parser.add_argument("python", help="the interpreter of the other version's environment")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    chosen = parser.parse_args(options)
    ours, other = _Version(sys.executable), _Version(chosen.python)
    try:
        print(f"{'training step':<40} {'ours, us':>9} {'other, us':>9} {'ratio':>6}")
        for case in [case for case in ours.cases if case in other.cases]:
            pairs = [(ours.seconds(case), other.seconds(case)) for _ in range(chosen.rounds)]
            ratio = statistics.median(mine / theirs for mine, theirs in pairs)
            mine, theirs = (1e6 * min(each) for each in zip(*pairs, strict=True))
            print(f"{case:<40} {mine:9.1f} {theirs:9.1f} {ratio:6.3f}", flush=True)
    finally:
        ours.close()
        other.close()
