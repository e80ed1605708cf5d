"""``python -m lamina.testing.random_models COUNT``: hold so many random models to all relations."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from lamina.testing.random_models.run import Tally, run


def main() -> int:
    """Print the counts, or the smallest model that was found to fail, as code, and the relation."""
    parser = argparse.ArgumentParser(prog="python -m lamina.testing.random_models", description=main.__doc__)
    parser.add_argument("count", type=int, help="how many models")
    parser.add_argument("--seed", type=int, default=0, help="the same models for the same seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the models")
    parser.add_argument("--no-shrink", action="store_true", help="leave a model that fails as it is")
    parser.add_argument("--first", type=int, default=1, help="go on with this one of them, as where a run failed")
    parser.add_argument("--last", type=int, help="end with this one of them")
    given = parser.parse_args()
    jobs, first, last = given.jobs, given.first, given.count if given.last is None else given.last
    if not 1 <= first <= last <= given.count:
        parser.error(f"expected 1 <= --first <= --last <= {given.count}, got {first} and {last}")
    tallies: list[Tally] = []
    try:
        if jobs == 1:
            tallies = [run(given.count, seed=given.seed, shrink=not given.no_shrink, first=first, last=last)]
        else:
            with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
                parts = [
                    pool.submit(
                        run,
                        -(-given.count // jobs),
                        seed=1000 * given.seed + place,
                        shrink=not given.no_shrink,
                        # They take turns in the count: of two processes one has the odd numbers.
                        first=-(-(first - 1 - place) // jobs) + 1,
                        last=(last - 1 - place) // jobs + 1,
                    )
                    for place in range(jobs)
                ]
                for part in parts:
                    tallies.append(part.result())
    except Exception as error:
        # In the command's count: where --first goes on.
        models = (error.models - 1) * jobs + len(tallies) + 1 if hasattr(error, "models") else "some"
        described = getattr(error, "description", "")
        noted = "\n".join(note for note in getattr(error, "__notes__", ()) if note.startswith("but"))
        print(f"{described}\n\n{type(error).__name__}: {error}\n{noted}".rstrip(), file=sys.stderr)
        print(f"failed after {models} models: {getattr(error, 'check', '') or type(error).__name__}", file=sys.stderr)
        return 1
    tally = sum(tallies[1:], tallies[0])
    print(tally)
    for name in tally.too_often():
        print(f"skipped too often: {name}, {dict(tally.reasons[name])}", file=sys.stderr)
    return 1 if tally.too_often() else 0


if __name__ == "__main__":
    sys.exit(main())
