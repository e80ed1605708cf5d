"""Hostile checkpoints: a run goes on from one, or says in one line why not."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.checkpoints.store import as_bytes
from lamina.testing.fuzz import checkpoints
from lamina.testing.fuzz.checkpoints import make, outcome
from lamina.testing.fuzz.reading import FAILED


def test_hundreds_go_on_or_are_refused(tmp_path: Path) -> None:
    counts = Counter(outcome(make(np.random.default_rng((7, number))), tmp_path) for number in range(400))
    assert not [one for one in counts if one.startswith(FAILED)]
    assert counts["went on"] > 60 and counts["refused: CheckpointError"] > 150


def test_sound_ones_go_on(tmp_path: Path) -> None:
    for content in checkpoints._sound():
        assert outcome(b"".join(as_bytes(content)), tmp_path) == "went on"


def test_the_same_state_gives_the_same() -> None:
    for number in range(20):
        assert make(np.random.default_rng(number)) == make(np.random.default_rng(number))


def test_another_error_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Any) -> None:
        raise ZeroDivisionError("of a part")

    monkeypatch.setattr(checkpoints, "_run", fail)
    assert outcome(b"", tmp_path) == f"{FAILED}ZeroDivisionError: of a part"
