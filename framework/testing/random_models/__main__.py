"""``python -m lamina.testing.random_models COUNT``: hold so many random models to all relations."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from lamina.testing.random_models.run import run


def main() -> int:
    """Print the counts, or the smallest model that was found to fail, as code, and the relation."""
    parser = argparse.ArgumentParser(prog="python -m lamina.testing.random_models", description=main.__doc__)
    parser.add_argument("count", type=int, help="how many models")
    parser.add_argument("--seed", type=int, default=0, help="the same models for the same seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the models")
    parser.add_argument("--no-shrink", action="store_true", help="leave a model that fails as it is")
    given = parser.parse_args()
    try:
        if given.jobs == 1:
            tally = run(given.count, seed=given.seed, shrink=not given.no_shrink)
        else:
            share = -(-given.count // given.jobs)
            seeds = [1000 * given.seed + place for place in range(given.jobs)]
            with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
                parts = [pool.submit(run, share, seed=seed, shrink=not given.no_shrink) for seed in seeds]
                tallies = [part.result() for part in parts]
            tally = sum(tallies[1:], tallies[0])
    except Exception as error:
        models = getattr(error, "models", "some")
        described = getattr(error, "description", "")
        noted = "\n".join(note for note in getattr(error, "__notes__", ()) if note.startswith("but"))
        print(f"{described}\n\n{type(error).__name__}: {error}\n{noted}".rstrip(), file=sys.stderr)
        print(f"failed after {models} models: {getattr(error, 'check', '') or type(error).__name__}", file=sys.stderr)
        return 1
    print(tally)
    for name in tally.too_often():
        print(f"skipped too often: {name}, {dict(tally.reasons[name])}", file=sys.stderr)
    return 1 if tally.too_often() else 0


if __name__ == "__main__":
    sys.exit(main())
