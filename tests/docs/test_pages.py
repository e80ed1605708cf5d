"""The site's pages: their code runs and prints what they say, and their commands exist."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from lamina.cli import main

ROOT = Path(__file__).resolve().parents[2]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = script("pages")
EVERY = PAGES.every()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FILES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("name", [page.name for page in EVERY])
def test_the_code_runs_and_prints_what_the_page_says(name: str, tmp_path: Path) -> None:
    page = next(page for page in EVERY if page.name == name)
    if missing := page.missing():
        pytest.skip(f"not installed: {', '.join(missing)}")
    # A process of its own: pages register classes, choose backends and start MPI.
    words = [sys.executable, str(ROOT / "docs" / "pages.py"), name, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_hardly_any_page_has_no_code() -> None:
    without = {path.stem for path in (ROOT / "docs").glob("*.md")} - {page.name for page in EVERY}
    assert without <= {"api", "data", "stability"}


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.stem)
def test_code_is_no_wider_than_a_page(path: Path) -> None:
    most = 52 if path.stem.startswith("from_") else 88  # two columns side by side
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)
    assert [line for block in blocks for line in block.splitlines() if len(line) > most] == []


# What runs a page.


def page(text: str, tmp_path: Path) -> "PAGES.Page":
    path = tmp_path / "page.md"
    path.write_text(text)
    return PAGES.read(path)


def test_blocks_share_their_names_and_hidden_ones_run_too(tmp_path: Path) -> None:
    text = "<!-- run:\na = 1\n-->\n\n```python\nb = a + 1\n```\n\nText.\n\n```python\nc = b + 1\n```\n"
    assert PAGES.run(page(text, tmp_path), tmp_path)["c"] == 3


def test_a_block_that_raises_is_named_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(PAGES.PageError, match=r"page\.md, line 4: (.|\n)*ZeroDivisionError"):
        PAGES.run(page("# Title\n\n```python\n1 / 0\n```\n", tmp_path), tmp_path)


def test_what_is_not_to_run_is_not(tmp_path: Path) -> None:
    text = "<!-- not run: why -->\n```python\n1 / 0\n```\n\n```python\na = 1\n```\n\n```sh\nfalse\n```\n"
    read = page(text, tmp_path)
    assert [block.code for block in read.blocks] == ["a = 1\n"]
    assert ("sh", "false\n") in read.others


def test_a_page_that_says_something_else_is_found(tmp_path: Path) -> None:
    text = "```python\nprint(1)\n```\n\n```text\n2\n```\n"
    with pytest.raises(PAGES.PageError, match="line 2: the page says"):
        PAGES.run(page(text, tmp_path), tmp_path)


def test_text_after_a_paragraph_is_not_what_code_prints(tmp_path: Path) -> None:
    assert page("```python\nprint(1)\n```\n\nSo:\n\n```text\n2\n```\n", tmp_path).blocks[0].printed is None


def test_a_picture_that_no_block_makes_is_found(tmp_path: Path) -> None:
    text = "```python\na = 1\n```\n\n![A line](pictures/line.svg)\n"
    with pytest.raises(PAGES.PageError, match=r"no block makes pictures/line\.svg"):
        PAGES.run(page(text, tmp_path), tmp_path)


def test_packages_that_a_page_needs_are_read(tmp_path: Path) -> None:
    assert page("<!-- needs: numpy, no_such_package -->\n", tmp_path).missing() == ["no_such_package"]


def test_what_is_measured_is_shown_as_it_was_here(tmp_path: Path) -> None:
    text = "```python\nprint('took 3.5 ms')\n```\n\n```text measured\ntook 99 ms\n```\n"
    read = page(text, tmp_path)
    PAGES.run(read, tmp_path / "run")
    assert "```text\ntook 3.5 ms\n```" in PAGES.with_measures(read, tmp_path / "run")


@pytest.mark.parametrize(
    ("said", "printed", "expected"),
    [
        ("loss 0.500", "loss 0.501", True),
        ("loss 0.500", "loss 0.550", False),
        ("loss 0.5", "loss -0.5", False),
        ("12 rows", "13 rows", False),
        ("error 1e-06", "error 1.02e-06", True),
        ("error 1e-06", "error 1e-05", False),
        ("(2, 3)", "(2,  3)\n", True),
        ("a\n...\nz", "a\nb c\nz\n", True),
        ("a\n...\nz", "a\nb c\n", False),
        ("a ... c ... z", "a b c d z", True),
        ("a ... c", "b c", False),
        ("a", "a b", False),
        ("one", "two", False),
    ],
)
def test_words_are_compared_and_numbers_with_a_point_to_five_percent(said: str, printed: str, expected: bool) -> None:
    assert PAGES.same(said, printed) is expected


@pytest.mark.parametrize(("printed", "expected"), [("took 7 ms", True), ("took 7.25 ms", True), ("gave 7 ms", False)])
def test_of_what_is_measured_the_words_are_compared(printed: str, expected: bool) -> None:
    assert PAGES.same("took 0.123 ms", printed, measured=True) is expected


# Commands.


def commands() -> list[tuple[str, str]]:
    found = []
    for path in FILES:
        for block in re.findall(r"^```sh\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(path.name, part.strip()) for line in lines for part in line.partition("  #")[0].split("&&")]
    return sorted({(name, part) for name, part in found if part})


@pytest.mark.parametrize(("name", "command"), commands())
def test_commands_exist(name: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command)
    tool = words[0].removeprefix(".venv/bin/")
    for word in words:
        for extras in re.findall(r"^\.\[(.*)\]$", word):
            assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"]), word
        if re.fullmatch(r"(tests|docs|examples|benchmarks|framework|\.ci)/[\w/.]+", word):
            assert (ROOT / word).exists(), word
    if tool == "lamina":
        assert main([words[1], "--help"]) == 0
        told = capsys.readouterr().out
        assert all(word in told for word in words if word.startswith("--")), command
    elif words[:2] == ["python", "-m"]:
        main_file = ROOT / words[2] / "__main__.py"
        if main_file.is_file():  # its commands are those that it names
            assert all(word in main_file.read_text() for word in words[3:4]), command
        else:
            assert importlib.util.find_spec(words[2]) is not None
    else:
        assert tool in ("python3", "python", "pip", "pytest", "bash", "mpiexec", "ruff", "mypy", "git", "twine"), (
            command
        )
