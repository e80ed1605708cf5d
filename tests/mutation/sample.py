"""Which mutants are tried: a sample by seed, in which every line of source has the same chance."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.mutation.mutant import Mutant, digest, find_mutants

__all__ = ["FOLDERS", "draw", "find_sources"]

FOLDERS = ("backends", "framework", "layers", "optimizers")
# Nothing runs the first on a machine without a GPU. The others make what proofs are run on: a case that is changed is
# another case, and no worse.
_LEFT_OUT = ("backends/cupy/", "framework/testing/cases/", "framework/testing/random_models/")


def find_sources(root: Path) -> dict[str, str]:
    """Return the texts of the product, by their paths from the root of the repository."""
    paths = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*.py"))]
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    return {file: text for file, text in texts.items() if not file.startswith(_LEFT_OUT)}


def draw(sources: dict[str, str], seed: int, number: int) -> list[Mutant]:
    """Return a sample of mutants, at most one of a line.

    It is drawn by a hash of each line and not by its place: a change elsewhere in the tree changes nothing in it, so
    that a mutant that survived is met again when its test is written.

    Parameters
    ----------
    sources : dict
        Texts by file.
    seed : int
    number : int
    """
    ranked = sorted((digest(str(seed), *name), line) for name, line in _lines(sources))
    drawn: list[Mutant] = []
    for rank, mutants in ranked:
        if len(drawn) == number:
            break
        mutants.sort(key=lambda one: digest(rank, one.key))
        chosen = next((one for one in mutants if one.is_valid(sources[one.file])), None)
        drawn += [chosen] if chosen else []
    return drawn


def _lines(sources: dict[str, str]) -> Iterator[tuple[tuple[str, ...], list[Mutant]]]:
    """Yield the lines that have mutants, with a name that stays as long as the line does."""
    for file, text in sources.items():
        lines = text.splitlines()
        for name, found in _by_line(find_mutants(text, file), lines):
            yield (file, *name), found


def _by_line(mutants: Iterable[Mutant], lines: list[str]) -> Iterator[tuple[tuple[str, str, str], list[Mutant]]]:
    by_line: defaultdict[int, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        by_line[mutant.line].append(mutant)
    seen: Counter[tuple[str, str]] = Counter()
    for line, found in sorted(by_line.items()):
        name = (found[0].scope, lines[line - 1].strip())
        seen[name] += 1
        yield (*name, str(seen[name])), found
