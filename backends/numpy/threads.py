"""Threads for NumPy's recurrent kernels: blocks of the batch side by side, each with matrix products of one thread."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import get_ident
from typing import Any, NamedTuple

import numpy as np

from lamina.backends.arrays import Array, Gradients
from lamina.backends.forking import after_fork
from lamina.backends.kernels import added

__all__ = ["Blocks", "Cut", "at_once", "own_threads", "products_on_one_thread", "threads_of_products"]

# The same function has another name in each build of OpenBLAS.
_NAMES = [f"{prefix}openblas_{{}}_num_threads{suffix}" for prefix in ("scipy_", "") for suffix in ("64_", "")]

# Multiplications, in all products of a pass together, that no library shares among threads.
_NEVER_SHARED = 50_000


class _Inside:
    """How often each thread is in a block, and how many threads products had before the first of them."""

    def __init__(self) -> None:
        self.before = 1
        self._times: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self._times)

    def enter(self) -> int:
        """Count this thread, and return its number."""
        own = get_ident()
        self._times[own] = self._times.get(own, 0) + 1
        return own

    def leave(self, thread: int) -> None:
        """Take back one count of a thread."""
        self._times[thread] -= 1
        if not self._times[thread]:
            del self._times[thread]

    def forget_others(self) -> None:
        """Leave with every thread but this one."""
        self._times = {thread: times for thread, times in self._times.items() if thread == get_ident()}


_lock = threading.Lock()
_inside = _Inside()  # `products_on_one_thread`
_owners = _Inside()  # `own_threads`


@after_fork
def _forked() -> None:
    """Count this thread alone, and give products their threads back where only others had taken them."""
    global _lock
    _lock = threading.Lock()
    taken = bool(_inside)
    _inside.forget_others()
    _owners.forget_others()
    _pool.cache_clear()
    if taken and not _inside:
        functions = _openblas()
        if functions is not None:
            functions[1](_inside.before)


@cache
def _openblas() -> tuple[Any, Any] | None:
    """Return the functions that get and set the number of threads, of the OpenBLAS that NumPy's wheels bring."""
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


def threads_of_products() -> int:
    """Return how many threads a matrix product, or in `own_threads` a recurrent layer, may use; 1 if not known."""
    if _owners:
        return _owners.before
    functions = _openblas()
    return int(functions[0]()) if functions else 1


class products_on_one_thread:
    """Let matrix products use one thread in the block, in the whole process; gives whether they do."""

    _own: int | None = None

    def __enter__(self) -> bool:
        functions = _openblas()
        if functions is None:
            return False
        get, set_to = functions
        with _lock:
            if not _inside:
                _inside.before = get()
                set_to(1)
            self._own = _inside.enter()
        return True

    def __exit__(self, *_: object) -> None:
        functions = _openblas()
        if functions is not None and self._own is not None:
            with _lock:
                _inside.leave(self._own)
                if not _inside:
                    functions[1](_inside.before)


@contextmanager
def own_threads() -> Iterator[None]:
    """Leave the threads in the block to the recurrent layers: products use one.

    After a product on several threads OpenBLAS keeps these busy for 20 ms, waiting for the next one. A recurrent layer
    that runs blocks of the batch on threads of its own would share a core with them, and take twice as long.
    """
    threads = threads_of_products()
    with _lock:
        if not _owners:
            _owners.before = threads
        own = _owners.enter()
    try:
        with products_on_one_thread():
            yield
    finally:
        with _lock:
            _owners.leave(own)


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="lamina")


class Cut(NamedTuple):
    """Where a recurrent kernel may be cut into blocks of the batch.

    Attributes
    ----------
    weights : int
        How many arrays of weights ``forward`` takes after x. After them come the states and the lengths.
    least : int
        Multiplications by those of them that count from which on a block is worth a thread: of a step, as threads wait
        for each other there (Python runs one at a time), or with ``whole`` of the pass.
    whole : bool
        Whether a pass is one call, in which no thread waits for another.
    fewest : int
        Rows that a block has at least: where fewer are computed in another way, with other bits.
    by_rows : tuple of str
        Which options are arrays of rows, or None.
    counts : int
        Which of the weights count: w_h, if nothing else is said.
    gates : int
        How many columns these have for each number of the output; 0 where it has as many numbers as they have rows.
    taken : int
        How many of the weights ``backward`` takes.
    """

    weights: int
    least: int = 1_000_000
    whole: bool = False
    fewest: int = 1
    by_rows: tuple[str, ...] = ()
    counts: int = 1
    gates: int = 0
    taken: int = 2


class Blocks:
    """A recurrent kernel pair that runs blocks of the batch on threads of its own where that is quicker.

    Rows do not depend on each other: outputs are put together, and the weights' gradients added. NumPy lets another
    thread run while it computes. Where it is not quicker the pair itself runs, its products on one thread: shared
    among threads they wait for each other at every step, on a busy machine a hundred times longer than they compute.

    Parameters
    ----------
    forward, backward : callable
        The pair.
    cut : Cut
    empty : callable
        Takes the memory of the outputs.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        cut: Cut,
        empty: Callable[..., Any] = np.empty,
    ) -> None:
        self._forward = forward
        self._empty = empty
        self._backward = backward
        self.cut = cut

    def forward(self, x: Array, *arrays: Array | None, **options: Any) -> tuple[Any, Any, Any]:
        """Run the pair's forward."""
        counted: Any = arrays[self.cut.counts]
        threads = 1 if x.shape[0] * x.shape[1] * counted.size < _NEVER_SHARED else threads_of_products()
        if threads == 1:
            h, last, saved = self._forward(x, *arrays, **options)
            return h, last, (None, saved)
        own = self.cut.weights
        weights, states, lengths = arrays[:own], arrays[own:-1], arrays[-1]

        slices = self._slices(x, counted, threads)
        if len(slices) == 1:
            with products_on_one_thread():
                h, last, saved = self._forward(x, *arrays, **options)
            return h, last, (slices, [saved])
        # In the order in which recurrent layers compute, time first: the next one takes it without a copy.
        size = counted.shape[1] // self.cut.gates if self.cut.gates else len(counted)
        together = self._empty((x.shape[1], x.shape[0], size), x.dtype).transpose(1, 0, 2)

        def run(part: slice) -> Any:
            own = (None if state is None else state[part] for state in states)
            ends = None if lengths is None else lengths[part]
            further = dict(options)
            for name in self.cut.by_rows:
                if further.get(name) is not None:
                    further[name] = further[name][part]
            together[part], last, saved = self._forward(x[part], *weights, *own, ends, **further)
            return last, saved

        last, saved = zip(*at_once(run, slices), strict=True)
        return together, _joined(last), (slices, saved)

    def backward(self, *arrays: Any, gradients: Gradients | None = None, **options: Any) -> tuple[Any, ...]:
        """Run the pair's backward."""
        at = len(arrays) - self.cut.taken
        upstream, (slices, saved), weights = arrays[: at - 1], arrays[at - 1], arrays[at:]
        results: tuple[Any, ...]
        if slices is None:
            results = self._backward(*upstream, saved, *weights, gradients=gradients, **options)
            return results
        if len(slices) == 1:
            with products_on_one_thread():
                results = self._backward(*upstream, saved[0], *weights, gradients=gradients, **options)
            return results

        def run(part_and_saved: tuple[slice, Any]) -> Any:
            part, own = part_and_saved
            rows = (None if gradient is None else gradient[part] for gradient in upstream)
            return self._backward(*rows, own, *weights, **options)

        dx, *dweights, dstates = zip(*at_once(run, list(zip(slices, saved, strict=True))), strict=True)
        return _joined(dx), *added(gradients, list(map(_added, dweights))), _joined(dstates)

    def _slices(self, x: Array, counted: Array, threads: int) -> list[slice]:
        """Return the blocks into which to cut the batch: one where that is quicker."""
        rows, steps, _ = x.shape
        work = rows * counted.size * (steps if self.cut.whole else 1)
        number = max(1, min(threads, rows // self.cut.fewest, work // self.cut.least))
        return [slice(n * rows // number, (n + 1) * rows // number) for n in range(number)]


def at_once(run: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
    """Return the results for all parts, the first of them computed on this thread."""
    with products_on_one_thread():
        others = [_pool(os.getpid()).submit(run, part) for part in parts[1:]]
        return [run(parts[0]), *(other.result() for other in others)]


def _joined(parts: Sequence[Any]) -> Any:
    """Return arrays, or tuples of arrays, of the blocks put together; None where they are None."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], tuple):
        return tuple(_joined(own) for own in zip(*parts, strict=True))
    return None if parts[0] is None else np.concatenate(parts)


def _added(parts: Sequence[Any]) -> Any:
    """Return the sum of arrays of the blocks; None where they are None."""
    return None if parts[0] is None else sum(parts[1:], parts[0])
