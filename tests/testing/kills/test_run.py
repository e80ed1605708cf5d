"""Runs in processes that are killed: at random moments, and at each thing that is done to a file."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.testing.kills import run as module
from lamina.testing.kills.cases import CASES
from lamina.testing.kills.run import ended, kill_often, result_of, survey

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork")

# What is done to files, in `lamina.files`, one after the other.
OPERATIONS = ("fsync", "replace", "chmod", "unlink", "open")


def test_killed_at_random_moments(tmp_path: Path) -> None:
    told: list[str] = []
    counts = survey(25, 1, tmp_path, ["simple_rnn", "lstm_dropout", "truncated", "plateau"], told.append)
    assert sum(counts.values()) >= 25 and len(told) == 4


def at_operation(number: int, name: str, folder: Path, every: Any) -> Any:
    """Return work that dies in the middle of the run when so many things were done to files."""

    def work() -> None:
        left = [number]

        def counted(operation: Any) -> Any:
            def wrapper(*given: Any, **options: Any) -> Any:
                if "run" in str(given[0]) or isinstance(given[0], int):
                    left[0] -= 1
                    if not left[0]:
                        os.kill(os.getpid(), signal.SIGKILL)
                return operation(*given, **options)

            return wrapper

        for operation in OPERATIONS:
            setattr(os, operation, counted(getattr(os, operation)))
        (folder / "result").write_bytes(result_of(CASES[name](folder), folder / "run", every))

    return work


@pytest.mark.parametrize("every", [1, "1 epoch"])
def test_killed_at_each_thing_that_is_done_to_a_file(tmp_path: Path, every: Any) -> None:
    name = "simple_rnn"
    expected = result_of(CASES[name](tmp_path), None)
    kills = 0
    for number in [*range(1, 24), *range(24, 90, 7)]:
        folder = tmp_path / str(number)
        folder.mkdir()
        first = ended(at_operation(number, name, folder, every))
        kills += first is None
        second = ended(at_operation(number + 5, name, folder, every))
        kills += second is None
        assert {first, second} <= {None, 0}
        assert ended(at_operation(-1, name, folder, every)) == 0
        assert (folder / "result").read_bytes() == expected, number
        assert not list((folder / "run").glob(".lamina-*"))
    assert kills >= 30


def test_other_bits_are_noticed(tmp_path: Path, monkeypatch: Any) -> None:
    expected = result_of(CASES["simple_rnn"](tmp_path), None)
    other = expected[:-1] + bytes([expected[-1] ^ 1])
    with pytest.raises(AssertionError, match="other bits"):
        kill_often("simple_rnn", tmp_path / "run", np.random.default_rng(0), other, 0.05)


def test_a_process_that_fails_or_hangs_is_noticed(monkeypatch: Any) -> None:
    assert ended(lambda: sys.stderr.close() or 1 / 0) == 3
    monkeypatch.setattr(module, "_HANGS", 0.2)
    with pytest.raises(TimeoutError, match="did not end"):
        ended(signal.pause)


def test_the_command_counts_kills_and_tells_what_failed(monkeypatch: Any, capsys: Any) -> None:
    from lamina.testing.kills import __main__ as command

    monkeypatch.setattr(sys, "argv", ["kills", "2", "--case", "simple_rnn"])
    assert command.main() == 0
    assert "kills in all, each run came to the same bits" in capsys.readouterr().out

    def failing(*given: Any) -> Any:
        raise AssertionError("other bits")

    monkeypatch.setattr(command, "survey", failing)
    assert command.main() == 1 and "failed: other bits" in capsys.readouterr().err
