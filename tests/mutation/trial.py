"""Try a mutant: the tests that may see it, from the cheapest, until one fails."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.mutation.mutant import Mutant
from tests.mutation.place import Place

__all__ = ["LEFT_OUT", "STAGES", "Stage", "Verdict", "choose_stages", "try_mutant"]

STAGES = ("own", "folder", "conformance", "whole")
# The one tries mutants of its own; the other looks for lines of source as they are written.
LEFT_OUT = ("--ignore=tests/mutation", "--ignore=tests/faults")
# Seconds; a test that hangs is ended before. Near tests of what is compiled compile it anew for each mutant.
_NEAR, _FAR = 1200.0, 3600.0


@dataclass(frozen=True)
class Stage:
    """Some of the tests.

    Attributes
    ----------
    name : str
    options : tuple of str
        What pytest is given.
    workers : int
    """

    name: str
    options: tuple[str, ...]
    workers: int = 1


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant.

    Attributes
    ----------
    stage : str
        The stage that killed it; empty where it survived.
    by : str
        The test that failed first.
    seconds : float
        Of all the stages together.
    """

    stage: str
    by: str
    seconds: float


def choose_stages(file: str, root: Path, elsewhere: Mapping[str, str], workers: int = 1) -> list[Stage]:
    """Return the tests for a file of source, from the cheapest to all of them.

    Parameters
    ----------
    file : str
    root : path
        The copy.
    elsewhere : mapping
        Test files, from tests/, of sources that have none of their own name.
    workers : int
        How many processes may run the larger stages.
    """
    own = _own_tests(PurePosixPath(file), root, elsewhere)
    stages = [Stage("own", tuple(own))] if own else []
    folders = {str(PurePosixPath(path).parent) for path in own} or {str(PurePosixPath("tests", file).parent)}
    beside = sorted(
        path.relative_to(root).as_posix() for folder in folders for path in (root / folder).glob("test_*.py")
    )
    if beside and set(beside) != set(own):
        stages.append(Stage("folder", (*beside, *(f"--ignore={path}" for path in own))))
    seen = tuple(f"--ignore={path}" for path in beside)
    # Where the file's own tests lie there, they are the folder's.
    if (root / "tests" / "conformance").is_dir() and "tests/conformance" not in folders:
        stages.append(Stage("conformance", ("tests/conformance", *seen), workers))
        seen = (*seen, "--ignore=tests/conformance")
    return [*stages, Stage("whole", ("tests", *LEFT_OUT, *seen), workers)]


def _own_tests(source: PurePosixPath, root: Path, elsewhere: Mapping[str, str]) -> list[str]:
    """Return the test files of a source file's own; framework/testing has its tests in tests/testing."""
    if str(source) in elsewhere:
        return [f"tests/{elsewhere[str(source)]}"]
    homes = [source.parent]
    if "testing" in source.parts:
        homes.append(PurePosixPath(*source.parts[1:-1]))
    found = (f"tests/{home}/test_{source.name}" for home in homes)
    return [path for path in found if (root / path).exists()]


def try_mutant(mutant: Mutant, place: Place, stages: list[Stage]) -> Verdict:
    """Return which stage kills a mutant, if any does."""
    start = time.monotonic()
    with place.applied(mutant):
        for stage in stages:
            by = _killer(place, stage)
            if by:
                return Verdict(stage.name, by, time.monotonic() - start)
    return Verdict("", "", time.monotonic() - start)


def _killer(place: Place, stage: Stage) -> str:
    """Return the test of a stage that fails; nothing where all pass.

    A test that fails now and then has not seen the mutant: where one that is not the file's own passes alone, the
    others are asked without it.
    """
    left_out: list[str] = []
    limit = _NEAR if stage.name in STAGES[:2] else _FAR
    for _ in range(3):
        outcome = place.test(*stage.options, *left_out, workers=stage.workers, limit=limit)
        if outcome.passed or "::" not in outcome.by or stage.name == "own":
            return outcome.by
        if not place.test(outcome.by, limit=limit).passed:
            return outcome.by
        left_out.append(f"--deselect={outcome.by}")
    return ""
