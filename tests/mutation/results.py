"""What is kept of a run: a file of verdicts, which an interrupted run goes on from, and the list of equivalents."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutation.mutant import Mutant
from tests.mutation.trial import STAGES, Verdict

__all__ = ["Equivalent", "Results", "read_equivalents", "report"]


@dataclass(frozen=True)
class Equivalent:
    """A mutant that a person has judged to change nothing that a user can tell.

    Attributes
    ----------
    file, scope, before, after : str
        As of the mutant.
    kind : str
        ``"same"``: no result differs; ``"speed"``: only how fast, or in how much memory, it comes.
    why : str
    """

    file: str
    scope: str
    before: str
    after: str
    kind: str
    why: str

    def fits(self, mutant: Mutant) -> bool:
        """Tell whether it is this mutant."""
        return all(getattr(self, name) == getattr(mutant, name) for name in ("file", "scope", "before", "after"))


def read_equivalents(path: Path) -> list[Equivalent]:
    """Read the list.

    Raises
    ------
    ValueError
        If one has no reason, or another kind.
    """
    found = [Equivalent(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", [])]
    for one in found:
        if not one.why.strip() or one.kind not in ("same", "speed"):
            raise ValueError(f"{path}: {one.file}: {one.before!r}: needs a reason, and the kind 'same' or 'speed'")
    return found


class Results:
    """Verdicts by mutant, each written to a file as it comes.

    Parameters
    ----------
    path : path
        Read, and added to. Of two verdicts on one mutant the later one holds.

    Attributes
    ----------
    verdicts : dict
        By the mutants' keys.
    sound : set of str
        The commits, with the options for pytest, whose tests passed without a mutant.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.verdicts: dict[str, Verdict] = {}
        self.sound: set[str] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            row = json.loads(line)
            if "sound" in row:
                self.sound.add(row["sound"])
            else:
                self.verdicts[row["key"]] = Verdict(row["stage"], row["by"], row["seconds"])

    def add(self, mutant: Mutant, verdict: Verdict) -> None:
        """Keep a verdict."""
        self.verdicts[mutant.key] = verdict
        shown = {name: getattr(mutant, name) for name in ("file", "line", "scope", "mutator", "before", "after")}
        self._write({"key": mutant.key, **asdict(verdict), **shown})

    def add_sound(self, commit: str) -> None:
        """Keep that the tests passed without a mutant."""
        self.sound.add(commit)
        self._write({"sound": commit})

    def _write(self, row: dict[str, object]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def report(mutants: Iterable[Mutant], verdicts: dict[str, Verdict], equivalents: list[Equivalent]) -> tuple[str, float]:
    """Return a page on a run, and the share that was killed of those that can be."""
    mutants = list(mutants)
    judged = {mutant.key: one for mutant in mutants for one in equivalents if one.fits(mutant)}
    untried = dict.fromkeys(judged, Verdict("", "", 0))
    known = untried | verdicts
    tried = [(mutant, known[mutant.key]) for mutant in mutants if mutant.key in known]
    alive = [mutant for mutant, verdict in tried if not verdict.stage]
    killed = Counter(verdict.stage for _, verdict in tried if verdict.stage)
    seconds: Counter[str] = Counter()
    for _, verdict in tried:
        seconds[verdict.stage] += round(verdict.seconds)
    survivors = [mutant for mutant in alive if mutant.key not in judged]
    kinds = Counter(judged[mutant.key].kind for mutant in alive if mutant.key in judged)
    score = killed.total() / max(killed.total() + len(survivors), 1)
    lines = ["| stage | killed | seconds |", "|---|---|---|"]
    lines += [f"| {stage} | {killed[stage]} | {seconds[stage]} |" for stage in STAGES]
    lines += [f"| none | {len(alive)} alive | {seconds['']} |", ""]
    lines.append(
        f"{len(tried)} mutants, {killed.total()} killed, {sum(kinds.values())} equivalent "
        f"({kinds['speed']} of them in speed alone), {len(survivors)} survived: {100 * score:.1f} %"
    )
    for mutant in survivors:
        lines += ["", f"{mutant.file}:{mutant.line} in {mutant.scope or 'the module'} ({mutant.mutator}, {mutant.key})"]
        lines += [f"  - {mutant.before}", f"  + {mutant.after}"]
    wrongly = [mutant for mutant, verdict in tried if verdict.stage and mutant.key in judged]
    lines += [f"\nlisted as equivalent, and killed: {mutant.file}:{mutant.line} {mutant.after}" for mutant in wrongly]
    return "\n".join(lines), score
