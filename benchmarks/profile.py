"""Where a training step's time goes: matrix products, passes over elements, the calls themselves, and the rest.

The step runs once as it is and once with NumPy's functions recorded, as the recurrent kernels call them. What a call
costs before it computes anything is measured on arrays of one element. One thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.cpu.contestants import ours
from benchmarks.cpu.facts import machine
from benchmarks.cpu.sections import SHAPES
from benchmarks.cpu.work import KINDS, Training
from lamina.backends.numpy.threads import products_on_one_thread

__all__ = ["main"]

# Where the kernels of a recurrent training step live.
_MODULES = ("gates", "gru", "lstm", "products", "simple_rnn")
_PRODUCTS = ("dot", "matmul")
_ELEMENTWISE = ("add", "exp", "greater", "maximum", "multiply", "subtract", "tanh")
_COUNTED, _SECONDS = 300, 1.0  # steps that are recorded at most, and until they took so long


@dataclass
class Record:
    """What the calls of recorded steps took.

    Attributes
    ----------
    seconds, calls : dict
        By name of the function.
    operations : int
        Multiplications and additions of the products.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    operations: int = 0

    def time_of(self, names: tuple[str, ...]) -> float:
        """Return the seconds that these functions took together."""
        return sum(self.seconds.get(name, 0.0) for name in names)

    def calls_of(self, names: tuple[str, ...]) -> int:
        """Return how often they were called."""
        return sum(self.calls.get(name, 0) for name in names)


class _Recorded:
    """A function, or a ufunc with its ``reduce``, whose calls are recorded."""

    def __init__(self, name: str, function: Callable[..., Any], record: Record) -> None:
        self._name, self._function, self._record = name, function, record

    def __call__(self, *arrays: Any, **options: Any) -> Any:
        start = time.perf_counter()
        result = self._function(*arrays, **options)
        taken = time.perf_counter() - start
        record, name = self._record, self._name
        record.seconds[name] = record.seconds.get(name, 0.0) + taken
        record.calls[name] = record.calls.get(name, 0) + 1
        if name in _PRODUCTS:
            record.operations += 2 * result.size * arrays[0].shape[-1]
        return result

    @property
    def reduce(self) -> _Recorded:
        return _Recorded(self._name, self._function.reduce, self._record)  # type: ignore[attr-defined]


class _RecordedNumPy:
    """NumPy, as the kernels see it while they are recorded."""

    def __init__(self, record: Record) -> None:
        for name in (*_PRODUCTS, *_ELEMENTWISE):
            setattr(self, name, _Recorded(name, getattr(np, name), record))
        self.ndarray = SimpleNamespace(dot=_Recorded("dot", np.ndarray.dot, record))

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


@contextmanager
def recorded() -> Iterator[Record]:
    """Record the calls that the kernels make in the block."""
    record = Record()
    modules = [import_module(f"lamina.backends.numpy.{name}") for name in _MODULES]
    for module in modules:
        module.np = _RecordedNumPy(record)  # type: ignore[attr-defined]
    try:
        yield record
    finally:
        for module in modules:
            module.np = np  # type: ignore[attr-defined]


def cost_of_a_call() -> tuple[float, float]:
    """Return what recording adds to a call, and what a call of an elementwise function costs before it computes."""
    one, repeats = np.zeros(1, np.float32), 20_000
    record = Record()
    add = _Recorded("add", np.add, record)

    def times(function: Callable[..., Any]) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            function(one, one, out=one)
        return (time.perf_counter() - start) / repeats

    alone = min(times(np.add) for _ in range(5))
    for _ in range(5):
        times(add)
    return record.seconds["add"] / record.calls["add"] - alone, alone


def profile(work: Training) -> list[str]:
    """Return a row of the table: the step's time and its parts, as shares."""
    step = ours.training(work).call
    added, call = cost_of_a_call()
    records, seconds = [], []
    for turn in range(_COUNTED):  # in turns, so that a drift of the machine's speed hits both alike
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
        with recorded() as record:
            step()
        records.append(record)
        if turn >= 10 and sum(seconds) > _SECONDS:
            break

    def median_of(names: tuple[str, ...]) -> tuple[float, int]:
        calls = records[0].calls_of(names)
        return statistics.median(record.time_of(names) for record in records) - added * calls, calls

    whole = statistics.median(seconds)
    (products, product_calls), (elementwise, calls) = median_of(_PRODUCTS), median_of(_ELEMENTWISE)
    overhead = min(call * calls, elementwise)
    rate = records[0].operations / products / 1e9
    parts = (products, elementwise - overhead, overhead, whole - products - elementwise)
    shares = [f"{part / whole:.0%}" for part in parts]
    return [work.kind, str(work.shape), f"{whole * 1e3:.3g}", *shares, f"{rate:.0f}", str(calls + product_calls)]


def main(arguments: list[str] | None = None) -> None:
    """Print the table and write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks profile", description=__doc__)
    results = Path(__file__).resolve().parent / "results"
    parser.add_argument("--output", type=Path, default=results, metavar="FOLDER", help="of profile.md")
    output = parser.parse_args(arguments).output
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    heads = (
        "layer",
        "(batch, time, features, units)",
        "step, ms",
        "products",
        "elements",
        "calls",
        "rest",
        "products, GFLOP/s",
        "calls a step",
    )
    facts = ", ".join(f"{name} {fact}" for name, fact in machine().items())
    lines = [
        "# Where a training step's time goes",
        "",
        f"{facts}. Lamina on NumPy, one thread.",
        "",
        "*products*: matrix products; *elements*: passes over elements (activations, gates, their gradients) but for",
        "what a call costs on one element, which is *calls*; *rest*: copies into and out of the kernels' order, Dense,",
        "loss, optimizer, and Python between the calls. The last column counts the recurrent kernels' NumPy calls.",
        "",
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
    ]
    print("\n".join(lines), flush=True)
    with products_on_one_thread():
        for kind in KINDS:
            for shape in SHAPES:
                lines.append("| " + " | ".join(profile(Training(kind, *shape))) + " |")
                print(lines[-1], flush=True)
    output.mkdir(parents=True, exist_ok=True)
    partial = output / "profile.partial"
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(partial, output / "profile.md")


if __name__ == "__main__":
    main()
