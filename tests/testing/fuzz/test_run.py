"""Cases by their numbers: counted, and held to a time."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.testing.fuzz import __main__ as command
from lamina.testing.fuzz import run
from lamina.testing.fuzz.run import KINDS, survey


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_counted(kind: str) -> None:
    counts, failed = survey(kind, 3, 1, 12, bound=False)
    assert sum(counts.values()) == 12 and not failed


def test_what_fails_takes_long_or_too_much_is_told_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def one(generator: np.random.Generator, folder: Path) -> str:
        drawn = generator.random()
        if drawn < 0.3:
            return "failed: badly"
        if drawn < 0.5:
            time.sleep(9)
        if drawn < 0.7:
            raise MemoryError
        return "read"

    monkeypatch.setitem(run.KINDS, "mine", one)
    monkeypatch.setattr(run, "SECONDS", 0.05)
    seed = next(n for n in range(99) if np.random.default_rng((n, 0)).random() > 0.7)
    counts, failed = survey("mine", seed, 1, 30, bound=False)
    assert counts["failed"] == len(failed) and counts["read"] + counts["failed"] == 30
    assert {one.split(": failed: ")[1] for one in failed} == {"badly", "over 0.05 s", "over 1024 MiB"}
    number = int(failed[0].split("case ")[1].split(":")[0])
    assert survey("mine", seed, number, number, bound=False)[0]["failed"] == 1


def test_the_command_prints_counts(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", "6", "--kind", "arrays", "--kind", "ts"])
    assert command.main() == 0
    told = capsys.readouterr().out
    assert "arrays: 3 cases; " in told and "ts: 3 cases; " in told and "0 failed" in told
