"""What a reader needs to know of the machine and of what ran on it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.cpu.contestants import find
from benchmarks.cpu.instructions import UNHELD, has_avx512, instructions, taken
from benchmarks.cpu.processes import environment
from benchmarks.harness import processor

__all__ = ["machine"]

_PACKAGES = ("lamina", "numpy", "torch", "jax", "jaxlib", "keras", "onnxruntime", "numba")
_BLAS = """
import numpy
from threadpoolctl import threadpool_info
for pool in threadpool_info():
    if pool["user_api"] == "blas":
        print(pool["internal_api"], pool["version"], pool.get("architecture", ""))
"""


def machine(avx2: bool = False) -> dict[str, str]:
    """Return facts by name; what cannot be found is left out.

    Parameters
    ----------
    avx2 : bool
        Whether contestants are held to AVX2.
    """
    variables = environment(find("numpy"), 1, avx2)
    facts = {
        "processor": processor(),
        "vector instructions": _instructions(avx2, variables),
        "cores": str(os.cpu_count()),
        "caches": _caches(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "BLAS of NumPy": _blas(variables),
    }
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            continue
    return {name: fact for name, fact in facts.items() if fact}


def _caches() -> str:
    found = []
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        found.append(f"L{level}{'' if kind == 'Unified' else kind[0].lower()} {size}")
    return ", ".join(found)


def _instructions(avx2: bool, variables: dict[str, str]) -> str:
    if not avx2 or not has_avx512():
        return instructions()
    return f"AVX2 on a processor with AVX-512 ({taken(variables)}; {UNHELD})"


def _blas(variables: dict[str, str]) -> str:
    """Return the library that a contestant's NumPy finds: in a process like theirs."""
    done = subprocess.run([sys.executable, "-c", _BLAS], env=variables, capture_output=True, text=True)
    return done.stdout.strip()
