"""What Lamina costs before any work: the time to import it, and its size on disk, beside NumPy's."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
import venv
from pathlib import Path

from benchmarks.harness import machine

__all__ = ["main"]

_ROUNDS = 15
_MEGABYTE = 1e6


def _size(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / _MEGABYTE


def _import_seconds(python: Path, module: str) -> float:
    # Outside the checkout, so that the installed package is the one imported.
    start = time.perf_counter()
    subprocess.run([python, "-I", "-c", f"import {module}"], check=True, cwd=python.parent)
    return time.perf_counter() - start


def main() -> None:
    """Install Lamina as a user would, into a new environment, and measure there."""
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "bin", "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--no-compile"]
        subprocess.run([*pip, "numpy"], check=True)
        site = next(Path(folder, "lib").glob("python*/site-packages"))
        before = _size(site)
        root = Path(__file__).resolve().parent.parent
        subprocess.run([*pip, str(root)], check=True)
        print(f"numpy and pip {before:.1f} MB; lamina with its other dependencies adds {_size(site) - before:.1f} MB")
        for module in ("numpy", "lamina"):  # compiles the modules, so that no round has to
            _import_seconds(python, module)
        pairs = [
            (_import_seconds(python, "lamina"), _import_seconds(python, "numpy"), _import_seconds(python, "sys"))
            for _ in range(_ROUNDS)
        ]
    lamina, numpy, nothing = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
    whole = statistics.median(ours / theirs for ours, theirs, _ in pairs)
    alone = statistics.median((ours - idle) / (theirs - idle) for ours, theirs, idle in pairs)
    print(f"import lamina {lamina:.0f} ms, import numpy {numpy:.0f} ms, Python alone {nothing:.0f} ms")
    print(f"ratio of whole processes {whole:.2f}, of the imports alone {alone:.2f}")
