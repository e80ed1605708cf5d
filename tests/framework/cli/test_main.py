import os
import shlex
import subprocess
import sys
from typing import Any

import pytest

import lamina
from lamina import cli
from lamina.cli import evaluate, info, options, predict, train


def test_version_and_help_succeed(run: Any) -> None:
    assert run("--version")[:2] == (0, f"lamina {lamina.__version__}\n")
    for words in ([], ["train"], ["evaluate"], ["predict"], ["info"]):
        result = run(*words, "--help")
        assert result.code == 0 and result.out.startswith("usage: lamina") and not result.err


def test_help_fits_eighty_columns_but_for_examples(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in ("train", "evaluate", "predict", "info"):
        text = run(command, "--help").out.partition("examples:")[0]
        assert max(len(line) for line in text.splitlines()) < 80


def test_no_command_prints_the_help(run: Any) -> None:
    result = run()
    assert result.code == 2
    assert result.out == run("--help").out


@pytest.mark.parametrize("words", [["trian"], ["train"], ["info", "--colour"], ["evaluate", "model.safetensors"]])
def test_wrong_usage_is_code_2(run: Any, words: list[str]) -> None:
    result = run(*words)
    assert result.code == 2 and not result.out
    assert "lamina" in result.err.splitlines()[-1] and "error:" in result.err


def test_the_examples_in_the_help_work(run: Any, tmp_path: Any) -> None:
    for command in (train, evaluate, predict, info):
        shown = run(command.__name__.rpartition(".")[2], "--help").out
        for line in command._EXAMPLES.strip().splitlines():
            assert f"\n  {line}" in shown
            program, *words = shlex.split(line)
            if program == "python":
                assert subprocess.run([sys.executable, *words], cwd=tmp_path).returncode == 0
                continue
            if program == "mpiexec":  # of one process here; on several in tests/framework/distributed
                program, *words = words[words.index("lamina") :]
                words.remove("--distributed")
            assert program == "lamina"
            if words[0] == "train":
                words = [*words, "--units", "4", "--epochs", "1"]  # a later option wins
            result = run(*words)
            assert result.code == 0, result.err


def test_python_dash_m_is_the_same_command() -> None:
    found = subprocess.run([sys.executable, "-m", "lamina", "--version"], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, f"lamina {lamina.__version__}\n")


def test_help_imports_nothing_slow() -> None:
    code = (
        "import sys; from lamina.cli import main; main(['--help']); "
        "print([name for name in ('lamina.train.trainer', 'safetensors', 'tqdm', 'matplotlib') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), 1, "lamina: interrupted"),
        (MemoryError("cannot allocate"), 1, "lamina: error: not enough memory: cannot allocate"),
        (lamina.errors.DataError("no rows"), 2, "lamina: error: no rows"),
    ],
)
def test_errors_are_one_line(
    run: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    def fail(arguments: Any) -> int:
        raise error

    monkeypatch.setattr(info, "run", fail)
    assert run("info") == (code, "", f"{line}\n")


def test_bugs_are_not_hidden(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(info, "run", fail)
    with pytest.raises(ZeroDivisionError):
        run("info")


@pytest.mark.skipif(os.name == "nt", reason="pipes close otherwise on Windows")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_no_traceback(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "lamina", "info"]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    found = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writer)
    assert (found.returncode, found.stderr) == (1, "")


def test_main_reads_the_words_of_this_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["lamina", "--version"])
    assert cli.main() == 0
    assert capsys.readouterr().out == f"lamina {lamina.__version__}\n"


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (options.positive_int, "0"),
        (options.positive_int, "2.5"),
        (options.positive_number, "-1"),
        (options.positive_number, "nan"),
        (options.positive_number, "inf"),
        (options.positive_number, "fast"),
        (options.seed, "-1"),
        (options.seed, "x"),
        (options.share, "1"),
        (options.share, "-0.1"),
        (options.share, "half"),
    ],
)
def test_numbers_are_checked(read: Any, text: str) -> None:
    with pytest.raises(options.argparse.ArgumentTypeError, match=f"expected a .*, got '{text}'"):
        read(text)


def test_numbers_are_read() -> None:
    assert (options.share("0"), options.share("0.5")) == (0.0, 0.5)
    assert (options.positive_int("3"), options.positive_number("1e-3"), options.seed("0")) == (3, 0.001, 0)
