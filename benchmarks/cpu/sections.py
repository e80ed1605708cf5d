"""The sections of the benchmark: which work each consists of, and what is kept of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.cpu.model_work import Attending, Language
from benchmarks.cpu.turns import Company
from benchmarks.cpu.work import KINDS, Characters, Inference, Loop, Products, Ragged, Training, Vowels

__all__ = ["RAGGED", "SHAPES", "epochs", "inference", "models", "product_rate", "ragged", "trainer", "training"]

# (batch, time, features, units)
SHAPES = (
    (2, 3, 2, 4),
    (32, 8, 8, 32),
    (32, 28, 28, 64),
    (64, 100, 64, 128),
    (128, 128, 128, 512),
    (16, 1000, 32, 128),
)
# Of ragged batches: (batch, longest, features, units).
RAGGED = ((32, 28, 28, 64), (64, 100, 64, 128))
_TINY = SHAPES[0]
_LOOPS = (
    Loop("SimpleRNN", 64, 100, 64, 128, steps=8),
    *(Loop(kind, *_TINY, steps=200) for kind in KINDS),
)
_MODELS = (Language(32, 50, 256), Attending(32, 50, 64))
# How much of the text an epoch reads; all of it where nothing else is said would take minutes.
_CHARACTERS, _QUICK_CHARACTERS = 120_000, 20_000

Record = dict[str, Any]
Tell = Callable[[str], None]


def product_rate(company: Company, quick: bool = False) -> float:
    """Return the operations a second of NumPy's quickest large square product, in any round."""
    best = 0.0
    for size in (1024,) if quick else (1024, 2048, 3072):
        work = Products(size)
        seconds = company.play(work, first="numpy")["numpy"]
        best = max(best, work.operations / min(seconds))
    return best


def training(
    company: Company, tell: Tell, kinds: tuple[str, ...] = KINDS, shapes: tuple[tuple[int, ...], ...] = SHAPES
) -> Iterator[Record]:
    """Yield a record for each kind and shape."""
    for kind in kinds:
        for shape in shapes:
            work = Training(kind, *shape)
            seconds = company.play(work)
            tell(f"  {work}: {_line(seconds)}")
            yield {"kind": kind, "shape": list(shape), "operations": work.operations, "seconds": seconds}


def ragged(
    company: Company, tell: Tell, kinds: tuple[str, ...] = KINDS, shapes: tuple[tuple[int, ...], ...] = RAGGED
) -> Iterator[Record]:
    """Yield a record for each kind and shape, of rows of unequal length."""
    for kind in kinds:
        for shape in shapes:
            work = Ragged(kind, *shape)
            seconds = company.play(work)
            tell(f"  {work}: {_line(seconds)}")
            yield {"kind": kind, "shape": list(shape), "seconds": seconds}


def models(company: Company, tell: Tell) -> Iterator[Record]:
    """Yield a record for each model."""
    for work in _MODELS:
        seconds = company.play(work)
        tell(f"  {work}: {_line(seconds)}")
        yield {"name": work.title, "shape": list(work.shape), "seconds": seconds}


def inference(company: Company, tell: Tell, kinds: tuple[str, ...] = KINDS) -> Iterator[Record]:
    """Yield a record for each kind, number of units, and time."""
    for kind in kinds:
        for units in (64, 256):
            for time in (1, 100):
                work = Inference(kind, time, units)
                seconds = company.play(work)
                tell(f"  {work}: {_line(seconds)}")
                yield {"kind": kind, "time": time, "units": units, "features": work.features, "seconds": seconds}


def epochs(company: Company, tell: Tell, quick: bool = False) -> Iterator[Record]:
    """Yield a record for each data set."""
    for work in (Vowels(), Characters(_QUICK_CHARACTERS if quick else _CHARACTERS)):
        seconds = company.play(work)
        tell(f"  {work}: {_line(seconds)}")
        yield {"data": work.section, "name": str(work), "seconds": seconds}


def trainer(company: Company, tell: Tell, kinds: tuple[str, ...] = KINDS) -> Iterator[Record]:
    """Yield a record for each kind and shape: a step written out, of the Trainer, and of rivals."""
    for work in _LOOPS:
        if work.kind not in kinds:
            continue
        seconds = company.play(work)
        tell(f"  {work}: {_line(seconds)}")
        yield {"kind": work.kind, "shape": list(work.shape), "steps": work.steps, "seconds": seconds}


def _line(seconds: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {statistics.median(values) * 1e3:.4g} ms" for name, values in seconds.items())
