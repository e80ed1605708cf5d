"""The command: near tests first, then the others; verdicts are kept, and an interrupted run goes on from them."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.mutation import __main__ as command
from tests.mutation.place import Place
from tests.mutation.results import Results

SOURCE = "def area(width, height):\n    return width * height\n\n\ndef half(x):\n    return x / 2\n"
TEST = """\
import sys

sys.path.insert(0, "layers")
import small


def test_small():
    assert small.{call}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what runs the command on a small repository of two functions, and gives its exit code and output."""
    root = tmp_path / "root"
    files = {
        "layers/small.py": SOURCE,
        "tests/layers/test_small.py": TEST.format(call="area(2, 3) == 6"),
        "tests/test_packaging.py": "ELSEWHERE = {}\n",
        "tests/test_other.py": TEST.format(call="half(0) == 0"),
        "pytest.ini": "[pytest]\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (tmp_path / "equivalent.toml").touch()
    monkeypatch.setattr(command, "EQUIVALENTS", tmp_path / "equivalent.toml")
    monkeypatch.setattr(command, "make_place", lambda *_: Place(root, Path(sys.executable), tmp_path))

    def run(*words: str) -> tuple[int, str]:
        results = tmp_path / "results.jsonl"
        code = command.main(["--mutants", "9", "--workers", "1", "--results", str(results), *words])
        return code, capsys.readouterr().out

    return run


def test_a_run_counts_what_is_killed_and_goes_on_from_its_verdicts(run: Any, tmp_path: Path) -> None:
    code, printed = run("--least", "60", "--commit", "x", "--seed", "11")
    assert code == 1
    assert "2 mutants of seed 11, 2 of them to be tried" in printed
    assert "1 mutants meet the tests of conformance and whole" in printed
    assert "2 mutants, 1 killed, 0 equivalent (0 of them in speed alone), 1 survived: 50.0 %" in printed
    survivor = next(one for one in Results(tmp_path / "results.jsonl").verdicts.values() if not one.stage)
    assert survivor.seconds > 0
    # Neither the commit nor the mutants are tried again, but where that is asked for.
    code, printed = run("--least", "50", "--commit", "x", "--seed", "11")
    assert code == 0
    assert "0 of them to be tried" in printed
    assert "without a mutant" not in printed
    code, printed = run("--commit", "x", "--seed", "11", "--again")
    assert "2 mutants of seed 11, 1 of them to be tried" in printed


def test_tests_that_fail_without_a_mutant_judge_none(run: Any, tmp_path: Path) -> None:
    (tmp_path / "root" / "tests" / "test_other.py").write_text("def test_other():\n    assert False\n")
    with pytest.raises(SystemExit, match=r"without a mutant, the tests fail in .*: tests/test_other.py::test_other"):
        run()
    assert Results(tmp_path / "results.jsonl").verdicts == {}
