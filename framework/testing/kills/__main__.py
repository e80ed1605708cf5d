"""``python -m lamina.testing.kills COUNT``: kill training runs so often, and compare what they come to bit for bit."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

from lamina.testing.kills.cases import CASES, PLANNED
from lamina.testing.kills.run import survey


def main() -> int:
    """Print how often each case was killed, or the first that came to something else."""
    parser = argparse.ArgumentParser(prog="python -m lamina.testing.kills", description=main.__doc__)
    parser.add_argument("count", type=int, help="how many kills")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--case", action="append", choices=[*CASES, *PLANNED], help="this one; all if not given")
    given = parser.parse_args()
    names = given.case or list(CASES | (PLANNED if importlib.util.find_spec("numba") else {}))
    with tempfile.TemporaryDirectory() as folder:
        try:
            counts = survey(given.count, given.seed, Path(folder), names)
        except AssertionError as error:
            print(f"failed: {error}", file=sys.stderr)
            return 1
    print(f"{sum(counts.values())} kills in all, each run came to the same bits")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
