"""Hostile command lines: an exit code and at most two lines."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.testing.fuzz import options
from lamina.testing.fuzz.options import make, outcome
from lamina.testing.fuzz.reading import FAILED


def test_hundreds_are_done_or_refused(tmp_path: Path) -> None:
    counts = Counter(outcome(make(np.random.default_rng((7, number))), tmp_path) for number in range(300))
    assert not [one for one in counts if one.startswith(FAILED)]
    assert counts["exit 0"] > 10 and counts["exit 2"] > 100


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (lambda words: 1 / 0, "ZeroDivisionError"),
        (lambda words: 3, "exit 3"),
        (lambda words: 2, "exit 2 with ''"),
        (lambda words: print("\x1b[2J") or 0, "steer a terminal"),
    ],
)
def test_a_command_that_does_otherwise_is_noticed(
    command: Any, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options._fill(tmp_path)
    monkeypatch.setattr(options, "main", command)
    assert told in outcome(["info"], tmp_path)


def test_the_same_state_gives_the_same() -> None:
    assert [make(np.random.default_rng(number)) for number in range(30)] == [
        make(np.random.default_rng(number)) for number in range(30)
    ]
