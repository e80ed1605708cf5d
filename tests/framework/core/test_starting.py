"""Ctrl-C at any moment of the command's start: one line, and the exit code 1."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.core import starting

# Python runs this before anything of ours: it interrupts the process where a module is first looked for.
SITE = """
import os, signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["LAMINA_TEST_INTERRUPT"]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
        return None

sys.meta_path.insert(0, Interrupt())
"""
# As an installer writes it for [project.scripts].
SCRIPT = "import sys\nfrom lamina.cli import main\nsys.exit(main())\n"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are others on Windows")


def interrupted(folder: Path, module: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that gets a Ctrl-C as it first imports a module."""
    (folder / "sitecustomize.py").write_text(SITE)
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "LAMINA_TEST_INTERRUPT": module}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("module", ["numpy", "numpy.linalg", "lamina.layers", "lamina.cli", "lamina.cli.train"])
@pytest.mark.parametrize("way", ["-m", "script"])
def test_ctrl_c_while_the_command_starts_is_one_line(tmp_path: Path, module: str, way: str) -> None:
    script = tmp_path / "lamina"
    script.write_text(SCRIPT)
    words = ["-m", "lamina"] if way == "-m" else [str(script)]
    found = interrupted(tmp_path, module, *words, "train", "digits", "--epochs", "1", "--units", "4")
    assert (found.returncode, found.stdout, found.stderr) == (1, "", "lamina: interrupted\n")


@pytest.mark.parametrize("module", ["lamina.cli.training_job", "lamina.train.trainer", "lamina.datasets"])
def test_ctrl_c_while_a_command_imports_what_it_needs_is_one_line(tmp_path: Path, module: str) -> None:
    found = interrupted(tmp_path, module, "-m", "lamina", "train", "digits", "--epochs", "1", "--units", "4")
    assert (found.returncode, found.stderr) == (1, "lamina: interrupted\n")


@pytest.mark.parametrize("words", [["-c", "import lamina"], ["-m", "lamina.testing", "numpy"]])
def test_a_program_that_imports_lamina_is_interrupted_as_ever(tmp_path: Path, words: list[str]) -> None:
    found = interrupted(tmp_path, "lamina.layers", *words)
    assert found.returncode != 1 and found.stderr.splitlines()[-1] == "KeyboardInterrupt"


def test_nothing_is_watched_where_no_command_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    starting.watch()
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.setattr(sys, "argv", ["/usr/bin/lamina", "train"])
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as below nohup
        starting.watch()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.signal(signal.SIGINT, signal.default_int_handler)
        starting.watch()
        watched = signal.getsignal(signal.SIGINT)
        assert watched not in (signal.SIG_IGN, signal.default_int_handler)
        with starting.interruptible():
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is watched
    finally:
        signal.signal(signal.SIGINT, before)
