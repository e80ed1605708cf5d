"""Whatever a user, a shell or a disk does to a command: an exit code of 0, 1 or 2, and no traceback."""

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lamina.cli import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes, devices and descriptors are others on Windows")

QUICK = ["--epochs", "1", "--units", "2"]
# What a number may be on a command line: not one, too large, too small, not finite, or of other digits.
NUMBERS = (
    *("", " 1", "1 ", "1\n", "-1", "-9" * 400, "nan", "inf", "-inf", "1e400", "1_000", "0x10", "١٢", "१", "²", "½"),
    *("9" * 5000, "1" * 400, "1e", "--", "+", ".", "1.5.2", "1,5", "\x1b[31m", "\udcff", "1\0"),
)
WHOLE = ("units", "layers", "epochs", "batch-size", "seed", "seeds", "patience", "horizon", "window", "season")
BROKEN = ("dropout", "learning-rate", "validation", "memory")


def complaint(words: Sequence[object], capsys: pytest.CaptureFixture[str], most: float = 10.0) -> tuple[int, str]:
    """Return a command's exit code and what is on standard error: a line at most, in time, and no warning."""
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code = main([str(word) for word in words])
    told = capsys.readouterr().err
    assert code in (0, 1, 2) and time.perf_counter() - begin < most
    assert len(told.splitlines()) == (0 if code == 0 else 1) and len(told) <= 1001
    assert all(line.startswith("lamina") for line in told.splitlines())
    return code, told


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("option", [*WHOLE, *BROKEN])
def test_what_is_no_number_is_one_line(capsys: pytest.CaptureFixture[str], file: Path, option: str) -> None:
    task = ["sunspots", "--task", "forecast"] if option in ("horizon", "window", "season") else [str(file)]
    for text in NUMBERS:
        code, told = complaint(["train", *task, *QUICK, f"--{option}={text}"], capsys)
        assert code == 2 and f"argument --{option}: expected a " in told, text


@pytest.mark.parametrize("option", WHOLE)
def test_numbers_beyond_reason_do_no_harm(capsys: pytest.CaptureFixture[str], file: Path, option: str) -> None:
    task = ["sunspots", "--task", "forecast"] if option in ("horizon", "window", "season") else [str(file)]
    more = ["--validation", "0.2"] if option == "patience" else []
    harmless = option in ("batch-size", "seed", "patience")
    for text in ("1000000000000", "2147483648", "2147483647", "1000000"):
        if option in ("epochs", "seeds") and int(text) < 2**31:
            continue  # what is asked for, until Ctrl-C
        code, _ = complaint(["train", *task, *QUICK, *more, f"--{option}", text], capsys)
        assert code == (0 if harmless and (int(text) < 2**31 or option == "seed") else 2), text


@pytest.mark.parametrize("option", BROKEN)
def test_numbers_at_the_edge_do_no_harm(capsys: pytest.CaptureFixture[str], file: Path, option: str) -> None:
    for text in ("5e-324", "1e-400", "1e308", "0.9999999999999999", "-0.0", "1e-45", "1e38", "0." + "0" * 5000 + "1"):
        complaint(["train", file, *QUICK, f"--{option}={text}"], capsys)


def test_names_that_mean_nothing_are_one_line(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    strange = ("", "x" * 10**5, "\x1b[31m", "a\nb", "\udcff", "../..", "é", "digits\0", "__class__", "{}", "%s", "-")
    options = ("task", "cell", "optimizer", "schedule", "backend", "dtype", "target", "test")
    for text in strange:
        assert complaint(["train", text], capsys)[0] == 2
        assert complaint([f"x{text}"], capsys)[0] == 2
        assert complaint(["train", "digits", f"--x{text}"], capsys)[0] == 2
        for option in options:
            # An empty backend or target is as none.
            assert complaint(["train", file, *QUICK, f"--{option}={text}"], capsys)[0] in ((2,) if text else (0, 2))


PATHS = (
    *("folder", "pipe", "endless", "empty", "below a file", "long name", "long path", "NUL", "surrogate", "loop"),
    *("line break", "nothing"),
)


def place(kind: str, suffix: str) -> str:
    """Return a path, made where that takes something to be there."""
    path = Path(f"{kind.replace(' ', '_')}{suffix}")
    if kind == "folder":
        path.mkdir(exist_ok=True)
    elif kind == "pipe" and not path.exists():
        os.mkfifo(path)
    elif kind in ("endless", "empty") and not path.is_symlink():
        path.symlink_to("/dev/zero" if kind == "endless" else "/dev/null")
    elif kind == "below a file":
        Path("file").write_text("")
        return f"file/a{suffix}"
    elif kind == "loop" and not path.is_symlink():
        path.symlink_to(path)
    others = {"long name": "n" * 300, "long path": "a/" * 3000 + "b", "NUL": "a\0b", "surrogate": "\udcff\ud800"}
    return {**others, "line break": "a\nb"}.get(kind, path.stem) + suffix


@pytest.mark.parametrize("kind", PATHS)
def test_paths_that_lead_nowhere_are_one_line(capsys: pytest.CaptureFixture[str], trained: Path, kind: str) -> None:
    model, rows = trained / "runs" / "rows" / "model.safetensors", trained / "rows.npz"
    for suffix in (".npz", ".csv", ".ts"):
        data = place(kind, suffix)
        assert complaint(["train", data, *QUICK], capsys)[0] == 2
        assert complaint(["train", rows, *QUICK, "--test", data], capsys)[0] == 2
        assert complaint(["evaluate", model, data], capsys)[0] == 2
        assert complaint(["predict", model, data, "--out", "out.csv"], capsys)[0] == 2
        if suffix != ".ts":
            code, _ = complaint(["predict", model, rows, "--out", data], capsys)
            assert code == (0 if kind in ("nothing", "line break") else 2)
    file = place(kind, ".safetensors")
    for words in (["evaluate", file, rows], ["predict", file, rows, "--out", "out.csv"], ["info", file]):
        assert complaint(words, capsys)[0] == 2
    code, _ = complaint(["train", rows, *QUICK, "--out", place(kind, "")], capsys)
    assert code == (0 if kind in ("nothing", "line break", "folder") else 2)


COMMANDS = {
    "help": ["--help"],
    "version": ["--version"],
    "nothing": [],
    "info": ["info"],
    "evaluate": ["evaluate", "model.safetensors", "rows.npz"],
    "predict": ["predict", "model.safetensors", "rows.npz", "--out", "out.csv"],
    "train": ["train", "rows.npz", *QUICK],
    "usage": ["train"],
    "input": ["train", "nope.npz"],
}
STREAMS = {
    "full output": ">/dev/full",
    "full error": "2>/dev/full",
    "closed output": ">&-",
    "all closed": "<&- >&- 2>&-",
    "no reader": ">&9",
    "no reader at all": ">&9 2>&9",
}


def started(words: Sequence[str], streams: str, folder: Path, unbuffered: bool) -> tuple[int, str]:
    """Run a command below a shell; descriptor 9 is a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    shell = f'exec "$@" {streams.replace("&9", f"&{writer}")} {writer}>&-'
    environment = {**os.environ, "PYTHONUNBUFFERED": "1" if unbuffered else ""}
    command = ["bash", "-c", shell, "bash", sys.executable, "-m", "lamina", *words]
    try:
        found = subprocess.run(
            command, cwd=folder, capture_output=True, pass_fds=[writer], env=environment, timeout=60, text=True
        )
    finally:
        os.close(writer)
    return found.returncode, found.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", COMMANDS)
def test_streams_that_take_nothing_are_one_line_or_no_harm(folder: Path, file: Path, command: str) -> None:
    words = COMMANDS[command]
    if "model.safetensors" in words:
        assert main(["train", "rows.npz", *QUICK, "--out", "."]) == 0
    cases = [(streams, False) for streams in STREAMS]
    cases += [("full output", True), ("no reader", True)] if command in ("help", "version", "train") else []
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda case: started(words, STREAMS[case[0]], folder, case[1]), cases))
    usual = 2 if command in ("nothing", "usage", "input") else 0
    for (streams, unbuffered), (code, told) in zip(cases, found, strict=True):
        where = f"{streams}, {unbuffered}: {code}, {told}"
        lost = streams in ("full output", "no reader", "no reader at all")
        if usual or not lost:
            assert code == usual or (lost and code == 1), where
        else:
            assert code == (1 if "reader" in streams else 2), where
        assert "Traceback" not in told and "Exception ignored" not in told and len(told.splitlines()) <= 1, where


def test_a_number_of_a_descriptor_that_is_closed_goes_to_no_file(folder: Path, file: Path) -> None:
    """Where standard error is closed, the next file opened would have its number, and take what is meant for it."""
    code, _ = started(["train", "rows.npz", *QUICK, "--out", "."], "<&- >&- 2>&-", folder, False)
    assert code == 0 and main(["info", "model.safetensors"]) == 0


def test_a_command_within_a_program_leaves_its_streams(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    before = sys.stdout, sys.stderr
    assert main(["--version"]) == 0
    assert (sys.stdout, sys.stderr) == before


SETTINGS = {
    "COLUMNS": "-5",
    "LAMINA_BACKEND": "junk",
    "MPLBACKEND": "junk",
    "PYTHONIOENCODING": "ascii",
    "TMPDIR": "/none",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_mean_nothing_are_one_line_or_no_harm(folder: Path, file: Path, name: str) -> None:
    for words in (["train", file, *QUICK, "--out", "out"], ["train", "--help"]):
        found = subprocess.run(
            [sys.executable, "-m", "lamina", *map(str, words)],
            cwd=folder,
            env={**os.environ, name: SETTINGS[name]},
            capture_output=True,
            text=True,
            timeout=60,
        )
        refused = name == "LAMINA_BACKEND" and "--help" not in words
        assert found.returncode == (2 if refused else 0), found.stderr
        assert len(found.stderr.splitlines()) == int(refused) and "Traceback" not in found.stderr


def test_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    shell = 'rmdir ../gone; exec "$@"'
    commands = (["train", "digits", *QUICK], ["train", "a.npz"], ["evaluate", "a", "b"], ["info", "a"])
    for words in commands:
        command = ["bash", "-c", shell, "bash", sys.executable, "-m", "lamina", *words]
        found = subprocess.run(command, cwd=tmp_path / "gone", capture_output=True, text=True, timeout=60)
        (tmp_path / "gone").mkdir()
        assert found.returncode == 2 and len(found.stderr.splitlines()) == 1 and "error:" in found.stderr
