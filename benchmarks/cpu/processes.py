"""The parent's side of the contestants' processes: their cores, their environment, and the pipes to them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.cpu.contestants import Contestant
from benchmarks.cpu.instructions import held_to_avx2
from benchmarks.cpu.worker import serve

__all__ = ["ContestantError", "Process", "RefusedError", "cores_for", "environment", "usable_cores"]

_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# A BLAS tuned by hand for another purpose is not what users run.
_DROPPED = (
    *("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS"),
    *("XLA_FLAGS", "NPY_DISABLE_CPU_FEATURES", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", *_VARIABLES),
)
_CHOSEN = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "", "TQDM_DISABLE": "1"}


class ContestantError(Exception):
    """A contestant cannot take part, or cannot do the work."""


class RefusedError(ContestantError):
    """A contestant says beforehand that it does not do such work."""


def usable_cores() -> list[int]:
    """Return the cores that this process may use."""
    return sorted(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


def cores_for(threads: int) -> tuple[int, ...]:
    """Return the cores for so many threads: the last ones, as the first one answers most interrupts.

    Raises
    ------
    SystemExit
        If this process may not use so many.
    """
    usable = usable_cores()
    if threads > len(usable):
        raise SystemExit(f"{threads} threads need as many cores, and this process may use {len(usable)}")
    return tuple(usable[-threads:])


def environment(contestant: Contestant, threads: int, avx2: bool = False) -> dict[str, str]:
    """Return the environment of a contestant's process, which may be held to AVX2."""
    kept = {name: value for name, value in os.environ.items() if name not in _DROPPED} | _CHOSEN
    if avx2:
        kept |= held_to_avx2()
    if threads > 1 and contestant.chooses_threads:
        return kept  # it may use all cores that it is kept to
    return kept | dict.fromkeys(_VARIABLES, str(threads))


@contextmanager
def _as_environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Process:
    """A contestant's process, started when first needed.

    Parameters
    ----------
    contestant : Contestant
    threads : int
    avx2 : bool
        Whether it is held to AVX2.
    """

    def __init__(self, contestant: Contestant, threads: int, avx2: bool = False) -> None:
        self.contestant = contestant
        self.threads = threads
        self.avx2 = avx2
        self._process: Any = None
        self._pipe: Any = None

    def start(self) -> None:
        """Start the process, where it does not run.

        Raises
        ------
        ContestantError
            If the contestant cannot run here.
        """
        if self._process is not None:
            return
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, self.contestant, cores_for(self.threads))
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        with _as_environment(environment(self.contestant, self.threads, self.avx2)):
            self._process.start()
        theirs.close()
        self._answer(120)

    def prepare(self, work: Any, seconds: float, limit: float) -> tuple[dict[str, Any], float]:
        """Have work made ready; return the results to compare, and the seconds a turn takes.

        Raises
        ------
        ContestantError
            If it fails, or takes longer than the limit.
        """
        self._pipe.send(("prepare", work, seconds))
        answer: tuple[dict[str, Any], float] = self._answer(limit)
        return answer

    def turn(self, limit: float) -> float:
        """Return the seconds that one call took."""
        self._pipe.send(("turn",))
        answer: float = self._answer(limit)
        return answer

    def stop(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._pipe.close()
        self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process = self._pipe = None

    def _answer(self, limit: float) -> Any:
        try:
            if not self._pipe.poll(limit):
                self.stop()
                raise ContestantError(f"no answer within {limit:.0f} s")
            kind, answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self.stop()
            raise ContestantError("its process ended") from error
        if kind == "refused":
            raise RefusedError(answer)
        if kind == "failed":
            raise ContestantError(answer)
        return answer
