"""Does anything run at all: what things cost, and every kernel once, against NumPy in float64."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from benchmarks.gpu import costs
from benchmarks.gpu.differences import largest_difference
from benchmarks.gpu.own_kernels import calls_counted, own_functions
from benchmarks.gpu.part import Item, Tell
from benchmarks.gpu.precision import NAMES, TOLERANCES, NotThere, in_precision
from benchmarks.gpu.records import Records
from benchmarks.gpu.rehearsal import sized
from benchmarks.gpu.work import CELLS, Work

__all__ = ["SMALLEST", "items"]

# (batch, time, units): so small that all is one tile, of odd sizes, and in the middle of what is used.
SMALLEST = (5, 4, 6)
_SIZES = (SMALLEST, (7, 11, 33), (33, 20, 100), (64, 30, 128), (16, 12, 256), (24, 10, 512), (8, 6, 1024))
_TINY = (SMALLEST,)


def items(records: Records) -> Iterable[Item]:
    """Return what is tried, the cells first."""
    yield Item("first use", _first_use)
    yield Item("own kernels", _list_own)
    yield Item("costs", costs.measure)
    for size in sized(_SIZES, _TINY):
        for cell in CELLS:
            for work in _variants(cell, size):
                yield Item(f"cell {work}", partial(_cell, work))
    for cell in CELLS:
        yield Item(f"stream {cell}", partial(_stream, Work(cell, *SMALLEST)))
    yield from _cases()


def _variants(cell: str, size: tuple[int, int, int]) -> Iterator[Work]:
    yield Work(cell, *size)
    yield Work(cell, *size, ragged=True)
    yield Work(cell, *size, bidirectional=True, ragged=True)


def _first_use(tell: Tell) -> None:
    """Tell how long a user waits in a process that does all for the first time: ever, and where it was compiled."""
    for cache in ("empty", "filled"):
        done = subprocess.run([sys.executable, "-m", "benchmarks.gpu.first_use"], capture_output=True, text=True)
        if done.returncode != 0:
            raise ChildProcessError(done.stderr[-500:])
        tell(cache=cache, seconds=json.loads(done.stdout))


def _list_own(tell: Tell) -> None:
    import lamina

    backend = lamina.get_backend("cupy")
    sources = {}
    for name in backend.kernels:
        try:
            sources[name] = backend.select(name).source
        except Exception as error:
            sources[name] = f"{type(error).__name__}: {error}"
    tell(own=own_functions(backend), sources=sources)


def _cell(work: Work, tell: Tell) -> None:
    """Compare logits and gradients of a cell with NumPy's in float64, in each precision."""
    import lamina
    from benchmarks.gpu.ours import Ours

    backend = lamina.get_backend("cupy")
    expected = Ours(work, lamina.get_backend("numpy"), dtype="float64").results()
    failed: list[str] = []
    for precision in NAMES:
        try:
            context = in_precision(backend, precision)
        except NotThere as reason:
            tell(precision=precision, missing=str(reason))
            continue
        with calls_counted(backend) as calls, context:
            found = Ours(work, backend).results()
        place, error = largest_difference(expected, found)
        held = bool(error <= TOLERANCES[precision])
        tell(precision=precision, worst=error, of=place, held=held, calls=dict(calls))
        if not held:
            failed.append(f"{precision}: {place} differs from NumPy's by {error:.1e}")
    if failed:
        raise ArithmeticError("; ".join(failed))


def _stream(work: Work, tell: Tell) -> None:
    """Compare the logits of a cell that is given one step after the other."""
    import lamina
    from benchmarks.gpu.ours import Ours

    backend = lamina.get_backend("cupy")
    expected = Ours(work, lamina.get_backend("numpy"), dtype="float64").streamed()
    with calls_counted(backend) as calls:
        found = Ours(work, backend).streamed()
    place, error = largest_difference(expected, found)
    held = bool(error <= TOLERANCES["fp32"])
    tell(precision="fp32", worst=error, of=place, held=held, calls=dict(calls))
    if not held:
        raise ArithmeticError(f"{place} differs from NumPy's by {error:.1e}")


def _cases() -> Iterator[Item]:
    """Yield every layer, loss and optimizer of the conformance suite, a pass of each."""
    from benchmarks.gpu import cases

    named: list[tuple[str, Callable[[], dict[str, float]]]] = cases.every()

    def run(compare: Callable[[], dict[str, float]], tell: Tell) -> None:
        import lamina

        with calls_counted(lamina.get_backend("cupy")) as calls:
            errors = compare()
        worst = max(errors, key=lambda name: errors[name])
        held = bool(errors[worst] <= TOLERANCES["fp32"])
        tell(precision="fp32", worst=errors[worst], of=worst, held=held, calls=dict(calls))
        if not held:
            raise ArithmeticError(f"{worst} differs from NumPy's by {errors[worst]:.1e}")

    for name, compare in named:
        yield Item(f"case {name}", partial(run, compare))
