"""The threads of NumPy's matrix products, for work in which sharing them costs more than it gains."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["THREAD_VARIABLES", "one_thread_pays", "single_threaded"]

#: What sets the number of threads of the usual libraries, each library's own name before the common one.
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")

# Up to this many multiplications, one step's product is no faster on two threads. Where another program keeps a core
# busy, each product waits for the thread on that core: training was five to ten times slower with two threads.
_LARGEST_STEP = 64 * 128 * 128

# The same function has another name in each build of OpenBLAS.
_NAMES = [f"{prefix}openblas_{{}}_num_threads{suffix}" for prefix in ("scipy_", "") for suffix in ("64_", "")]


def one_thread_pays(batch_size: int, units: int) -> bool:
    """Tell whether a recurrent step is too small to be shared, and the environment asks for nothing else."""
    asked = any(os.environ.get(variable) for variable in THREAD_VARIABLES)
    return not asked and batch_size * units * units <= _LARGEST_STEP


@contextmanager
def single_threaded(wanted: bool = True) -> Iterator[bool]:
    """Let NumPy's matrix products use one thread in the block; yields whether they do.

    Knows the OpenBLAS that NumPy's wheels bring with them; with another library it changes nothing.

    Parameters
    ----------
    wanted : bool
        False changes nothing either.
    """
    functions = _openblas() if wanted else None
    if functions is None:
        yield False
        return
    get, set_to = functions
    before = get()
    set_to(1)
    try:
        yield True
    finally:
        set_to(before)


def _openblas() -> tuple[Any, Any] | None:
    """Return the functions that get and set the number of threads, of the library that NumPy has loaded."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")):
            try:
                library = ctypes.CDLL(str(path))
            except OSError:
                continue
            for name in _NAMES:
                if hasattr(library, name.format("set")):
                    return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return None
