"""Cases of hostile input by their numbers, each held to a time and to an amount of memory, and what became of them."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from lamina.testing.fuzz.reading import FAILED

__all__ = ["KINDS", "SECONDS", "Kind", "survey"]

#: Seconds that one case may take, and bytes that it may take beside what the process has.
SECONDS, MEMORY = 5.0, 1 << 30


class Kind(NamedTuple):
    """A kind of hostile input.

    Attributes
    ----------
    make : callable
        Returns one from a generator: of a file its bytes.
    attempt : callable
        Returns what became of one, given a folder.
    """

    make: Callable[[np.random.Generator], Any]
    attempt: Callable[[Any, Path], str]

    def __call__(self, rng: np.random.Generator, folder: Path) -> str:
        """Make one, and return what became of it."""
        return self.attempt(self.make(rng), folder)


def _of(name: str, *kind: str) -> Kind:
    """Return the kind of a module of this folder, which is imported when it is used."""

    def module() -> Any:
        return import_module(f"lamina.testing.fuzz.{name}")

    return Kind(lambda rng: module().make(rng, *kind), lambda one, folder: str(module().outcome(one, *kind, folder)))


#: By name.
KINDS: dict[str, Kind] = {
    "model files": _of("model_files"),
    "checkpoints": _of("checkpoints"),
    "npz": _of("npz"),
    "csv": _of("text_files", "csv"),
    "ts": _of("text_files", "ts"),
    "options": _of("options"),
    "arrays": _of("arrays"),
}


class _Late(BaseException):
    """A case that takes too long."""


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise `_Late` where a block takes longer, on a system that has such a clock."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def late(number: int, frame: FrameType | None) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _bound_memory() -> None:
    """Let the process take so much more, on a system that can bound it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def survey(kind: str, seed: int, first: int, last: int, bound: bool = True) -> tuple[Counter[str], list[str]]:
    """Make the cases of a kind from one number to another; return counts by outcome, and the first that failed."""
    counts, failed = Counter[str](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        found = KINDS[kind](np.random.default_rng((seed, 0)), Path(folder))  # loads what is needed
        if bound:
            _bound_memory()
        for number in range(first, last + 1):
            try:
                with _within(SECONDS):
                    found = KINDS[kind](np.random.default_rng((seed, number)), Path(folder))
            except _Late:
                found = f"{FAILED}over {SECONDS:g} s"
            except MemoryError:
                found = f"{FAILED}over {MEMORY >> 20} MiB"
            if found.startswith(FAILED):
                failed.append(f"{kind}, seed {seed}, case {number}: {found}")
                found = FAILED.strip(": ")
            counts[found] += 1
    return counts, failed
