"""``python -m tests.mutation``: change the product in small ways, and count the changes that no test sees."""

from __future__ import annotations

import argparse
import importlib.util
import os
import runpy
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from tests.mutation.mutant import Mutant
from tests.mutation.place import Place, make_place
from tests.mutation.results import Equivalent, Results, read_equivalents, report
from tests.mutation.sample import draw, find_sources
from tests.mutation.trial import LEFT_OUT, STAGES, Verdict, choose_stages, try_mutant

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[2]
EQUIVALENTS = Path(__file__).with_name("equivalent.toml")


def main(argv: Sequence[str] | None = None) -> int:
    """Try a sample of mutants; return 1 where fewer are killed than are asked for."""
    options = _parser().parse_args(argv)
    where = options.results.resolve().with_suffix("")
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    places = [
        make_place(ROOT, where / str(job), folders, options.commit, options.pytest) for job in range(options.jobs)
    ]
    sources = find_sources(places[0].root)
    mutants = draw(sources, options.seed, options.mutants)
    results = Results(options.results)
    equivalents = read_equivalents(EQUIVALENTS)
    waiting = [mutant for mutant in mutants if _is_open(mutant, results, equivalents, options)]
    print(f"{len(mutants)} mutants of seed {options.seed}, {len(waiting)} of them to be tried", flush=True)
    if waiting:
        # Files that no commit holds may have changed since.
        tested = f"{options.commit} {options.pytest}" if options.commit else ""
        if tested not in results.sound:
            _require_sound(places, options.workers)
        if tested:
            results.add_sound(tested)
        _try_all(waiting, places, results, options.workers)
    page, score = report(mutants, results.verdicts, equivalents)
    print(page)
    for one in equivalents:
        if one.before not in " ".join(sources.get(one.file, "").split()):
            print(f"listed as equivalent, and no longer there: {one.file}: {one.before}")
    return int(100 * score < options.least)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--mutants", type=int, default=300, help="how many (300)")
    parser.add_argument("--seed", type=int, default=11, help="which sample (11)")
    parser.add_argument("--least", type=float, default=98, help="percent that must be killed (98)")
    parser.add_argument("--jobs", type=int, default=1, help="mutants tried at a time, each in a copy of its own (1)")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument("--workers", type=int, default=cores, help="processes for the larger stages of a job (cores)")
    parser.add_argument("--commit", help="try this commit, and not the files as they lie")
    parser.add_argument("--pytest", action="append", default=[], metavar="OPTION", help="hand this on to pytest")
    parser.add_argument("--again", action="store_true", help="try those that survived before once more")
    parser.add_argument("--listed", action="store_true", help="try those too that are listed as equivalent")
    parser.add_argument(
        "--results",
        type=Path,
        default=ROOT / "runs" / "mutation.jsonl",
        help="verdicts; a run that was interrupted goes on from there (runs/mutation.jsonl)",
    )
    return parser


def _is_open(mutant: Mutant, results: Results, equivalents: list[Equivalent], options: argparse.Namespace) -> bool:
    """Tell whether a mutant is to be tried: no test needs to look for what a person has shown to be the same."""
    if any(one.fits(mutant) for one in equivalents) and not options.listed:
        return False
    verdict = results.verdicts.get(mutant.key)
    return verdict is None or (options.again and not verdict.stage)


def _require_sound(places: list[Place], workers: int) -> None:
    """Run all tests on each copy as it is: what fails there would kill every mutant."""
    for place in places:
        outcome = place.test("tests", *LEFT_OUT, workers=_workers(workers), limit=3600)
        if not outcome.passed:
            raise SystemExit(f"without a mutant, the tests fail in {place.root}: {outcome.by}")
        print(f"without a mutant, the tests pass in {outcome.seconds:.0f} s", flush=True)


def _workers(wanted: int) -> int:
    return wanted if importlib.util.find_spec("xdist") else 1


def _try_all(mutants: list[Mutant], places: list[Place], results: Results, workers: int) -> None:
    """Try the near tests on all mutants, and then the others on those that are left: most verdicts come early."""
    elsewhere = runpy.run_path(str(places[0].root / "tests" / "test_packaging.py"))["ELSEWHERE"]
    stages = {one.file: choose_stages(one.file, places[0].root, elsewhere, _workers(workers)) for one in mutants}
    free: SimpleQueue[Place] = SimpleQueue()
    for place in places:
        free.put(place)

    def verdict(mutant: Mutant, names: Sequence[str]) -> Verdict:
        place = free.get()
        try:
            return try_mutant(mutant, place, [stage for stage in stages[mutant.file] if stage.name in names])
        finally:
            free.put(place)

    near, far = STAGES[:2], STAGES[2:]
    left, seconds = mutants, dict.fromkeys((mutant.key for mutant in mutants), 0.0)
    with ThreadPoolExecutor(len(places)) as pool:
        for names in (near, far):
            print(f"{len(left)} mutants meet the tests of {' and '.join(names)}", flush=True)
            alive = []
            for mutant, found in zip(left, pool.map(partial(verdict, names=names), left), strict=True):
                seconds[mutant.key] += found.seconds
                if found.stage or names is far:
                    results.add(mutant, replace(found, seconds=seconds[mutant.key]))
                else:
                    alive.append(mutant)
                fate = (
                    f"{found.stage}: {found.by}" if found.stage else f"ALIVE\n  - {mutant.before}\n  + {mutant.after}"
                )
                print(f"{found.seconds:.0f} s {mutant.file}:{mutant.line} {fate}", flush=True)
            left = alive


if __name__ == "__main__":
    raise SystemExit(main())
