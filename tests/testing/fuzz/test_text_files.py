"""Hostile .csv and .ts files: every fault comes about, and none does harm."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.testing.fuzz import text_files

KINDS = ("csv", "ts")
TASKS = {"csv": ("classify", "tag", "regress", "forecast"), "ts": ("classify", "regress", "forecast")}


def require_reader(kind: str) -> None:
    if kind == "csv":
        pytest.importorskip("pandas", reason="needs pandas: pip install -e '.[data]'")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited so on Linux alone")
@pytest.mark.parametrize("kind", KINDS)
def test_hundreds_of_files_are_read_or_refused(tmp_path: Path, trial: Any, kind: str) -> None:
    require_reader(kind)
    found = trial("text_files", (kind,), tmp_path, 300)
    assert found["read"] > 30 and found["refused: DataError"] > 100


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_state_makes_the_same_file(kind: str) -> None:
    for number in range(20):
        first, second = (text_files.make(np.random.default_rng(number), kind) for _ in range(2))
        assert first == second


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_is_one(kind: str) -> None:
    """A fault that changes nothing would prove nothing."""
    lines = (text_files._csv if kind == "csv" else text_files._ts)(np.random.default_rng(0), "classify")
    for fault in text_files._LINE_FAULTS:
        assert any(fault(np.random.default_rng(number), list(lines)) != lines for number in range(9))
    content = "\n".join(lines).encode()
    for change in text_files._BYTE_FAULTS:
        assert any(change(np.random.default_rng(number), content) != content for number in range(9))


@pytest.mark.parametrize("kind", KINDS)
def test_sound_files_are_read(tmp_path: Path, kind: str) -> None:
    require_reader(kind)
    for task in TASKS[kind]:
        for number in range(5):
            make = text_files._csv if kind == "csv" else text_files._ts
            content = "\n".join(make(np.random.default_rng(number), task)).encode()
            assert text_files.outcome(content, kind, tmp_path, task) == "read"
