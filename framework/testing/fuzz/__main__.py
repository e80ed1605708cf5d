"""``python -m lamina.testing.fuzz COUNT``: make so much hostile input at random, and count what became of it."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from lamina.testing.fuzz.run import KINDS, survey

_SHOWN = 5


def main() -> int:
    """Print counts by kind and outcome, and the first cases that failed."""
    parser = argparse.ArgumentParser(prog="python -m lamina.testing.fuzz", description=main.__doc__)
    parser.add_argument("count", type=int, help="how many cases in all, dealt to the kinds")
    parser.add_argument("--seed", type=int, default=0, help="the same cases for the same seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share them")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="of this kind; of all if not given")
    parser.add_argument("--first", type=int, default=1, help="begin with this one of each kind")
    given = parser.parse_args()
    kinds = given.kind or list(KINDS)
    each = -(-given.count // len(kinds))
    step = -(-each // (8 * given.jobs))
    failed: list[str] = []
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        for kind in kinds:
            starts = range(given.first, given.first + each, step)
            ends = [min(start + step, given.first + each) - 1 for start in starts]
            parts = [pool.submit(survey, kind, given.seed, *one) for one in zip(starts, ends, strict=True)]
            counts = Counter[str]()
            for part in parts:
                own, wrong = part.result()
                counts += own
                failed += wrong
            told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
            print(f"{kind}: {sum(counts.values())} cases; {told}", flush=True)
    for one in failed[:_SHOWN]:
        print(one, file=sys.stderr)
    print(f"{len(failed)} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
