"""The faults that can be put back, read from the tables beside this file, and copies of the product that have one."""

import math
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
# Where each folder of the product stands in the package: see pyproject.toml.
FOLDERS = {"framework": "", "layers": "layers", "optimizers": "optimizers", "backends": "backends"}
# Each copy runs beside others: products on several threads would only make them wait for each other.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Edit(NamedTuple):
    """Lines of a file, by its path in the repository, and those that stand there with the fault."""

    file: str
    old: str
    new: str


class Fault(NamedTuple):
    """A fault: what it does to a user, how it is put back, and a few lines of code that show it.

    The lines leave two values, ``found`` and ``wanted``, which differ with the fault alone; where it ``raises``, an
    error of that name shows it too.
    """

    key: str
    does: str
    edits: tuple[Edit, ...]
    reproduction: str
    number: int | None = None  # in the issue "Right", of those that are named there
    raises: str | None = None


def read_faults():
    """Return all faults by key, those that the issue names first."""
    found = {}
    for path in sorted(HERE.glob("*.toml")):
        for one in tomllib.loads(path.read_text())["fault"]:
            edits = tuple(Edit(**edit) for edit in one.pop("edit"))
            assert one["key"] not in found, one["key"]
            found[one["key"]] = Fault(edits=edits, **one)
    return dict(sorted(found.items(), key=lambda item: item[1].number or math.inf))


def edited(edits, root=ROOT):
    """Return the text of each file that some edits change, as they make it, by its path in the repository."""
    texts = {}
    for edit in edits:
        text = texts.get(edit.file) or (root / edit.file).read_text()
        count = text.count(edit.old)
        assert count == 1, f"{edit.file}: expected once, found {count} times: {edit.old!r}"
        texts[edit.file] = text.replace(edit.old, edit.new)
    return texts


def make_copy(folder, edits=()):
    """Copy the product into a folder, as the package ``lamina``, with some edits made; return the folder."""
    for name, place in FOLDERS.items():
        target = Path(folder, "lamina", place)
        shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    for file, text in edited(edits).items():
        top, _, rest = file.partition("/")
        Path(folder, "lamina", FOLDERS[top], rest).write_text(text)
    return Path(folder)


def environment(copy):
    """Return the environment in which Python imports ``lamina`` from a copy: before any that is installed."""
    paths = [str(copy), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}


def reproduce(fault, copy):
    """Run a fault's reproduction on a copy of the product; return what it prints, "right" or "wrong" first."""
    command = [sys.executable, str(HERE / "reproduce.py"), fault.key, str(copy)]
    done = subprocess.run(command, env=environment(copy), cwd=copy, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()
