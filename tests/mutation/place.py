"""A copy of the repository, in which mutants are tried, with an environment that imports it."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sysconfig
import tarfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from shutil import copy2, rmtree

from tests.mutation.mutant import Mutant

__all__ = ["Outcome", "Place", "make_place"]

# A test that takes longer hangs: the longest takes five seconds on two cores that do nothing else. Where the compiled
# engine may have to be compiled first, in one test the whole of it, that is minutes.
_TEST_LIMIT, _COMPILING_LIMIT = 120, 900
# A mutant may ask for more and more memory; what PyTorch and Numba reserve is a third of this.
_MEMORY = 24 * 2**30
# A test's name may have spaces and dashes in its brackets; what failed comes after a dash.
_FAILED = re.compile(r"^(?:FAILED|ERROR) ([^\s\[]+(?:\[.*?\])?)(?: - .*)?$", re.MULTILINE)
_FINDER = '''"""Import lamina from one copy of the repository, as an editable install does."""

import sys
from importlib.machinery import PathFinder
from importlib.util import spec_from_file_location

FOLDERS = {folders!r}


class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return spec_from_file_location(name, f"{{FOLDERS[name]}}/__init__.py") if name in FOLDERS else None


sys.meta_path.insert(0, Finder)
'''


@dataclass(frozen=True)
class Outcome:
    """How a run of tests ended.

    Attributes
    ----------
    passed : bool
    by : str
        The first test that failed, or what else stopped the run.
    seconds : float
    """

    passed: bool
    by: str
    seconds: float


class Place:
    """A folder of source and tests that only one process works in.

    Parameters
    ----------
    root : path
        What the paths of mutants start from.
    python : path
        The interpreter that imports the source that lies there.
    scratch : path
        For temporary files.
    options : sequence of str
        What pytest is given at every run.
    """

    def __init__(self, root: Path, python: Path, scratch: Path, options: Sequence[str] = ()) -> None:
        self.root = root
        self.python = python
        self.scratch = scratch
        self.options = options
        self._changes = 0
        self._file = ""

    @contextmanager
    def applied(self, mutant: Mutant) -> Iterator[None]:
        """Have a mutant in the source for the length of a with-block."""
        path = self.root / mutant.file
        times = path.stat()
        text = path.read_text(encoding="utf-8")
        path.write_text(mutant.apply(text), encoding="utf-8")
        # Python and Numba tell by time and size whether what they compiled is still true: no two mutants share both.
        self._changes += 1
        later = times.st_mtime + 60 * self._changes
        os.utime(path, (later, later))
        self._file = mutant.file
        try:
            yield
        finally:
            self._file = ""
            path.write_text(text, encoding="utf-8")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def test(self, *options: str, workers: int = 1, limit: float = 600) -> Outcome:
        """Run pytest until the first failure.

        Parameters
        ----------
        options : str
            Paths and options.
        workers : int
            Processes; more than one need pytest-xdist.
        limit : float
            Seconds.
        """
        command = [str(self.python), "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        compiles = not self._file or _is_compiled(self._file)
        hang = _COMPILING_LIMIT if compiles else _TEST_LIMIT
        command += ["-o", f"faulthandler_timeout={hang}", "-o", "faulthandler_exit_on_timeout=true"]
        command += [f"--basetemp={self.scratch / 'pytest'}", *(["-n", str(workers)] if workers > 1 else [])]
        command += [*self.options, *options]
        # What hypothesis found for one mutant must not be tried first on the next.
        rmtree(self.root / ".hypothesis", ignore_errors=True)
        start = time.monotonic()
        code, output = self._run(command, limit)
        seconds = time.monotonic() - start
        if code == 5:
            raise RuntimeError(f"no tests were found: {' '.join(options)}")
        failed = _FAILED.search(output)
        if code == 0:
            return Outcome(True, "", seconds)
        hangs = code is None or "Timeout (0:" in output
        last = output.strip().splitlines()[-1:]
        return Outcome(False, failed[1] if failed else "hangs" if hangs else f"exit {code}: {last}", seconds)

    def _run(self, command: Sequence[str], limit: float) -> tuple[int | None, str]:
        """Return the exit status, None where the time was up, and what was printed."""
        with (self.scratch / "output").open("w+", encoding="utf-8", errors="replace") as output:
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            resource.prlimit(process.pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                # The session is its own: nothing that a mutant left running goes on beside the next one.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            output.seek(0)
            return code, output.read()

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "LAMINA"))
        }
        temporary = self.scratch / "temporary"
        rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        # Numba keeps one record a file of what it compiled: mutants of that file must not overwrite it.
        compiled = {"NUMBA_CACHE_DIR": str(self.scratch / "numba")} if _is_compiled(self._file) else {}
        return {**kept, "MPLBACKEND": "Agg", "TMPDIR": str(temporary), **compiled}


def _is_compiled(file: str) -> bool:
    return "/numba/" in file


def make_place(
    source: Path, where: Path, folders: dict[str, str], commit: str | None, options: Sequence[str] = ()
) -> Place:
    """Copy the repository and make an environment that imports the copy.

    Parameters
    ----------
    source : path
        The root of the repository.
    where : path
        A folder that is made anew.
    folders : dict
        Folders of source by the names they are imported by.
    commit : str or None
        Which one is copied; the files as they lie where None.
    options : sequence of str
        See `Place`.
    """
    rmtree(where, ignore_errors=True)
    root = where / "repository"
    root.mkdir(parents=True)
    if commit is None:
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.check_output(listed, cwd=source, text=True).split("\0"):
            if (source / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                copy2(source / name, root / name)
    else:
        archive = subprocess.check_output(["git", "archive", commit], cwd=source)
        with tarfile.open(fileobj=BytesIO(archive)) as opened:
            opened.extractall(root, filter="data")
    venv.create(where / "environment", symlinks=True)
    python = where / "environment" / "bin" / "python"
    packages = next((where / "environment" / "lib").glob("python*")) / "site-packages"
    (packages / "copied_lamina.py").write_text(_FINDER.format(folders={k: str(root / v) for k, v in folders.items()}))
    # The packages of this environment are found there; the .pth files among them, our editable install's, are not read.
    (packages / "copied_lamina.pth").write_text(f"import copied_lamina\n{sysconfig.get_path('purelib')}\n")
    found = subprocess.check_output([str(python), "-c", "import lamina; print(lamina.__file__)"], cwd=where, text=True)
    if not Path(found.strip()).is_relative_to(root):
        raise RuntimeError(f"the copy {root} imports {found.strip()}")
    return Place(root, python, where, options)
