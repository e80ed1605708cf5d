"""Lamina beside PyTorch's cuDNN layers: forward and a whole training step, in equal precision, plain and as graphs."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from benchmarks.gpu.differences import largest_difference
from benchmarks.gpu.ours import Ours
from benchmarks.gpu.part import Item, Tell
from benchmarks.gpu.precision import AGREEMENT, NAMES, NotThere, in_precision
from benchmarks.gpu.records import Records
from benchmarks.gpu.rehearsal import sized
from benchmarks.gpu.theirs import Theirs
from benchmarks.gpu.timing import Rival, alternate
from benchmarks.gpu.torch_device import open_torch
from benchmarks.gpu.work import CELLS, Weights, Work
from lamina.backends import Backend

__all__ = ["MODES", "OURS", "PYTORCH", "Company", "compare", "items", "works"]

#: (batch, time, units), the most usual first.
SHAPES = ((64, 100, 128), (32, 28, 64), (16, 256, 256), (64, 256, 512), (32, 512, 1024), (1, 1000, 256))
#: Of the variants: two layers, bidirectional, ragged.
VARIANT_SHAPES = ((64, 100, 128), (64, 256, 512))
MODES = ("forward", "step")
OURS, PYTORCH = "lamina", "pytorch"


def works() -> Iterator[Work]:
    """Yield all work, in order of value: the cells by shape, then the variants."""
    for shape in sized(SHAPES, ((3, 5, 6),)):
        for cell in CELLS:
            yield Work(cell, *shape)
    for shape in sized(VARIANT_SHAPES, ((3, 5, 6),)):
        for cell in CELLS:
            yield Work(cell, *shape, ragged=True)
            yield Work(cell, *shape, layers=2)
            yield Work(cell, *shape, bidirectional=True)
    yield Work("LSTM", *sized(VARIANT_SHAPES[0], (4, 5, 6)), layers=2, bidirectional=True, ragged=True)


def items(records: Records) -> Iterable[Item]:
    """Return the work."""
    with contextlib.suppress(NotThere):
        open_torch()
    gc.freeze()  # what was imported need not be gone through each time
    return [Item(str(work), partial(compare, work)) for work in works()]


def compare(work: Work, tell: Tell) -> None:
    """Time some work in all precisions and modes; tell a row of each."""
    import lamina

    backend = lamina.get_backend("cupy")
    weights = Ours(work, lamina.get_backend("numpy")).weights()
    failed: list[str] = []
    for precision in NAMES:
        company = Company(work, precision, backend, weights)
        for mode in MODES:
            tell(**company.row(mode))
        failed += company.failed
    gc.collect()  # what they hold of the device goes back before the next ones come
    if failed:
        raise ArithmeticError("; ".join(failed)[:500])


class Company:
    """Those who do some work in a precision.

    Parameters
    ----------
    work : Work
    precision : str
    backend : Backend
        Of Lamina.
    weights : mapping of str to array
        The first ones, of all of them.

    Attributes
    ----------
    failed : list of str
        What Lamina could not do, or does otherwise than PyTorch.
    """

    def __init__(self, work: Work, precision: str, backend: Backend, weights: Weights) -> None:
        self.failed: list[str] = []
        self._work, self._precision, self._backend, self._weights = work, precision, backend, weights
        self._missing: dict[str, str] = {}
        self._differences: dict[str, tuple[str, float]] = {}
        self._ours: Ours | None = None
        self._theirs: dict[str, Theirs] = {}
        expected: dict[str, Any] = {}
        try:
            with in_precision(backend, precision):
                ours = Ours(work, backend)
                expected = ours.results()
            self._ours = ours
        except Exception as error:
            self._note(OURS, error)
        self._torch: Any = None
        for name, options in _kinds(precision).items():
            try:
                self._torch = open_torch()[0]
                theirs = Theirs(work, weights, precision, **options)
                found = theirs.results()
            except Exception as error:
                self._note(name, error)
                continue
            self._theirs[name] = theirs
            if expected:
                self._compare(name, expected, found)

    def row(self, mode: str) -> dict[str, Any]:
        """Return what there is to know of a mode: times by name, and what is missing, and why."""
        missing = dict(self._missing)

        def note(name: str, error: Exception) -> None:
            missing[name] = self._reason(name, error)

        rivals = []
        if self._ours is not None:
            rivals.append(Rival(OURS, self._calls_of_ours(mode)))
        for name, theirs in self._theirs.items():
            rivals.append(Rival(name, self._calls_of(theirs, mode)))
            try:
                rivals.append(Rival(f"{name} graph", self._replays(name, mode)))
            except Exception as error:
                note(f"{name} graph", error)
        times = alternate(rivals, self._wait, note)
        work = self._work
        return {
            "cell": work.cell,
            "shape": work.shape,
            "variant": work.variant,
            "precision": self._precision,
            "mode": mode,
            "seconds": {name: one.done for name, one in times.items()},
            "host": {name: one.host for name, one in times.items()},
            "missing": missing,
            "difference": self._differences,
            "dtype": {name: theirs.dtype for name, theirs in self._theirs.items()},
        }

    def _calls_of_ours(self, mode: str) -> Callable[[int], None]:
        ours: Any = self._ours
        call = getattr(ours, mode)

        def calls(times: int) -> None:
            with in_precision(self._backend, self._precision):
                for _ in range(times):
                    call()

        return calls

    def _calls_of(self, theirs: Theirs, mode: str) -> Callable[[int], None]:
        call = getattr(theirs, mode)

        def calls(times: int) -> None:
            theirs.precise()
            for _ in range(times):
                call()

        return calls

    def _replays(self, name: str, mode: str) -> Callable[[int], None]:
        """Return replays by layers of their own, whose gradients live in no other stream than the capture's."""
        options = _kinds(self._precision)[name]
        theirs = Theirs(self._work, self._weights, self._precision, packed_before=True, **options)
        replay = theirs.captured(getattr(theirs, mode))

        def calls(times: int) -> None:
            for _ in range(times):
                replay()

        return calls

    def _wait(self) -> None:
        if self._torch is not None:
            self._torch.cuda.synchronize()
        self._backend.synchronize()

    def _compare(self, name: str, expected: dict[str, Any], found: dict[str, Any]) -> None:
        place, error = largest_difference(expected, found)
        self._differences[name] = place, error
        if self._precision == "fp32" and not error <= AGREEMENT["fp32"]:
            self.failed.append(f"fp32: {place} differs from PyTorch's by {error:.1e}")

    def _note(self, name: str, error: Exception) -> None:
        self._missing[name] = self._reason(name, error)

    def _reason(self, name: str, error: Exception) -> str:
        """Return why something is missing; raise where the GPU is lost to this process, and all else with it."""
        if isinstance(error, NotThere):
            return str(error)
        self._backend.synchronize()
        reason = f"{type(error).__name__}: {error}"[:300]
        if name == OURS:
            self.failed.append(f"{self._precision}: {reason}")
        return reason


def _kinds(precision: str) -> dict[str, dict[str, bool]]:
    """Return PyTorch's ways to compute in a precision, by name, and what makes them."""
    if precision == "bf16":
        return {PYTORCH: {}, f"{PYTORCH} bfloat16": {"converted": True}}
    return {PYTORCH: {}}
