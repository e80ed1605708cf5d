"""Compiled functions: made when asked for, kept in a folder that may not be there."""

import io
import os
import subprocess
import sys
import threading
import time
from weakref import WeakSet

import pytest
from tqdm import tqdm

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine import functions

PROGRAM = """
import sys
from lamina.backends.numba.engine import functions
address = functions.address_of("forms.merge", "share")
assert address
print(functions.made)
"""


def run(folder, count=1):
    """Return how many functions each of some processes compiled, that ran at once."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    started = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    found = [process.communicate(timeout=300)[0].strip() for process in started]
    assert all(process.returncode == 0 for process in started)
    return [int(text) for text in found]


def test_what_was_compiled_is_read_from_the_cache_by_the_next_process(tmp_path):
    assert run(tmp_path) == [1]
    assert run(tmp_path) == [0]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    file = tmp_path / "a file, not a folder"
    file.write_text("")
    assert run(file) == [1]


def test_what_lies_there_of_another_kind_is_done_without(tmp_path):
    assert run(tmp_path) == [1]
    spoiled = [path for path in tmp_path.rglob("*") if path.suffix in (".nbi", ".nbc")]
    assert spoiled
    for path in spoiled:
        path.write_bytes(b"not what it was")
    assert run(tmp_path) == [1]


def test_two_processes_at_once_do_not_harm_each_other(tmp_path):
    assert all(made <= 1 for made in run(tmp_path, 3))
    assert run(tmp_path) == [0]


@pytest.mark.parametrize("root", ["", "a folder of the user's"])
@pytest.mark.parametrize("changed", ["numba", "files", "processor"])
def test_the_folder_is_that_of_this_version_of_the_files(root, changed, tmp_path, monkeypatch):
    monkeypatch.setattr(functions.numba.config, "CACHE_DIR", root and str(tmp_path / root))
    before = functions._folder()
    assert before == functions._folder()
    assert before.startswith(str(tmp_path / root)) == bool(root)
    if changed == "numba":
        monkeypatch.setattr(functions.numba, "__version__", "0.0")
    elif changed == "files":
        # Numba itself sees a change to the file of a function, and none to what the function calls.
        monkeypatch.setattr(functions, "_files", lambda: b"another algebra.py")
    else:
        monkeypatch.setattr(functions, "processor", lambda: "another")
    assert functions._folder() != before


def test_a_function_is_compiled_once():
    assert functions.address_of("forms.merge", "share") == functions.address_of("forms.merge", "share")
    assert functions.run() is functions.run()


class Screen(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, terminal):
        super().__init__()
        self.isatty = lambda: terminal


@pytest.mark.parametrize(("terminal", "seconds", "shown"), [(True, 0.3, True), (True, 0, False), (False, 0.3, False)])
def test_a_bar_shows_what_is_compiled_where_that_takes_a_while(terminal, seconds, shown, monkeypatch):
    monkeypatch.setattr(functions, "_kept", {("module", "there"): None})
    screen = Screen(terminal)
    monkeypatch.setattr(functions.sys, "stderr", screen)
    asked = []

    def compiled(module, name):
        time.sleep(seconds)
        asked.append((module, name))

    monkeypatch.setattr(functions, "address_of", compiled)
    functions.prepare([("module", name) for name in ("a", "there", "b", "a", "c", "d")])
    assert asked == [("module", name) for name in "abcd"]
    assert ("lamina: compiling" in screen.getvalue() and "3/4" in screen.getvalue()) == shown
    assert bool(screen.getvalue()) == shown


class Alone(WeakSet):
    """What tqdm's bars have in common, and nobody else may touch."""

    def add(self, bar):
        raise AssertionError("under another lock than its own")


@pytest.mark.parametrize("terminal", [True, False])
def test_its_bar_has_nothing_in_common_with_those_of_other_threads(terminal, monkeypatch):
    monkeypatch.setattr(functions, "_kept", {})
    monkeypatch.setattr(functions, "address_of", lambda module, name: None)
    monkeypatch.setattr(functions.sys, "stderr", Screen(terminal))
    monkeypatch.setattr(tqdm, "_instances", Alone())
    functions.prepare([("module", name) for name in "abc"])


def test_threads_that_compile_at_once_do_not_meet(monkeypatch):
    monkeypatch.setattr(functions, "_kept", {})
    monkeypatch.setattr(functions, "address_of", lambda module, name: None)
    failed = []

    def work():
        try:
            for _ in range(200):
                functions.prepare([("module", name) for name in "abc"])
        except Exception as error:
            failed.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not failed
