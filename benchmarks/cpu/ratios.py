"""What is read from the seconds: rivals' times over ours, and which rival is the fastest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.cpu.contestants import CONTESTANTS
from benchmarks.harness import Times

__all__ = ["ENGINE", "OURS", "Seconds", "fastest", "median", "names_in", "ratio"]

OURS = "lamina"
ENGINE = "lamina engine"

Seconds = Mapping[str, Sequence[float]]


def median(seconds: Seconds, name: str = OURS) -> float:
    """Return a contestant's median over the rounds."""
    return Times(tuple(seconds[name])).median


def ratio(seconds: Seconds, name: str, ours: str = OURS) -> float:
    """Return a contestant's time over ours: the median of the rounds' ratios."""
    return Times(tuple(seconds[name])).ratio_to(Times(tuple(seconds[ours])))


def fastest(seconds: Seconds, ours: str = OURS) -> str | None:
    """Return the name of the rival whose time over ours is the least; None where there is no rival, or not ours."""
    rivals = [one.name for one in CONTESTANTS if one.rival and seconds.get(one.name) and seconds.get(ours)]
    return min(rivals, key=lambda name: ratio(seconds, name, ours), default=None)


def names_in(records: Sequence[Mapping[str, Seconds]], key: str = "seconds") -> list[str]:
    """Return the contestants, other than ours, of any of the records, in their usual order."""
    return [one.name for one in CONTESTANTS if one.name != OURS and any(one.name in record[key] for record in records)]
