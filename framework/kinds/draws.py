"""What random layers draw from: a hash of the seed, the layer's path, the call, and the row of the whole batch."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from functools import lru_cache
from typing import Any, Self

import numpy as np

from lamina.backends import Backend
from lamina.backends.forking import after_fork
from lamina.core.arguments import whole

__all__ = ["CallSteps", "Draws", "draws_of", "fixed_draws", "rows_of_batch"]

_HostArray = np.ndarray[Any, Any]
_KEY, _WORD = np.dtype("<u8"), np.dtype("<u4")  # the same on every machine

_counting = threading.Lock()
_fixed: ContextVar[int | None] = ContextVar("lamina_fixed_draws", default=None)
# How many rows come before those computed now, and how many these are where that is known.
_place: ContextVar[tuple[int, int | None]] = ContextVar("lamina_rows_of_batch", default=(0, None))
_steps: ContextVar[CallSteps | None] = ContextVar("lamina_call_steps", default=None)


class Draws:
    """A seed, and how many calls have drawn from it.

    Parameters
    ----------
    seed, calls : int
    """

    def __init__(self, seed: int, calls: int = 0) -> None:
        self.seed = seed
        self.calls = calls

    def count(self) -> bytes:
        """Count a call, and return its number: how many there were before."""
        with _counting:
            call = self.calls
            self.calls = call + 1
        return b"%d" % call

    def next_call(self) -> bytes:
        """Return what tells the next call from all others: its number, and of a step also which step it is."""
        steps = _steps.get()
        return self.count() if steps is None else steps.next_call(self)

    def row_keys(self, path: str, rows: int, backend: Backend) -> Any:
        """Return the keys of the rows computed now, for one call of the layer with a path, as a backend takes them."""
        (before, part), steps = _place.get(), _steps.get()
        picked = None if steps is None else steps.picked()
        if picked is not None:
            part = len(picked)
        if part:  # a layer may have several rows for each of the batch
            before = before * rows // part
        source, call = _source(self.seed, path), self.next_call()
        if picked is None or part != rows:
            stop = before + rows
            return backend.row_keys(source.numbers(stop), source.call_number(call), before, stop)
        return source.row_keys(call, before, int(picked.max(initial=-1)) + 1)[picked]

    def generator(self, path: str) -> np.random.Generator:
        """Return a new generator for one call of the layer with a path."""
        key = _source(self.seed, path).call_key(self.next_call(), 16)
        return np.random.default_rng((int.from_bytes(key, "little"), _place.get()[0]))


class _FixedDraws(Draws):
    """A seed of which every call is the first."""

    def next_call(self) -> bytes:
        return b"0"


def draws_of(own: Draws | None) -> Draws | None:
    """Return what a layer draws from now: its own, but within `fixed_draws`."""
    fixed = _fixed.get()
    return own if fixed is None else _FixedDraws(fixed)


@contextmanager
def fixed_draws(seed: int = 0) -> Iterator[None]:
    """Within it, and in this thread, every call of a layer draws the same numbers: those of the first call.

    So forward is a function of its inputs, as differences need it that a gradient is compared with:
    `lamina.testing` runs every forward pass in it.

    Parameters
    ----------
    seed : int
        In place of the model's.

    Examples
    --------
    >>> import numpy as np
    >>> from lamina.layers import Dropout
    >>> layer = Dropout(0.5)
    >>> layer.build((None, 100), dtype="float64", seed=0)
    (None, 100)
    >>> x = np.ones((1, 100))
    >>> bool((layer.forward(x)[0] == layer.forward(x)[0]).all())
    False
    >>> with fixed_draws():
    ...     bool((layer.forward(x)[0] == layer.forward(x)[0]).all())
    True
    """
    token = _fixed.set(seed)
    try:
        yield
    finally:
        _fixed.reset(token)


@contextmanager
def rows_of_batch(before: int, rows: int | None = None) -> Iterator[None]:
    """Within it, and in this thread, the rows computed come after others of the same batch, which are elsewhere.

    Their masks are those that they would have in the whole batch: on whichever machine, and however many at a time
    it is computed. Calls are counted as ever: who computes several parts one after another sets each layer back to
    where it was before the first, see `RandomLayer.draws`; so does `Trainer` where it accumulates gradients. Within
    another such block ``before`` counts from that one's rows.

    Parameters
    ----------
    before : int
        How many rows come before.
    rows : int, optional
        How many rows are computed. Where it is given, a layer to which each of them has become several, such as its
        steps, counts as many before, too.

    Raises
    ------
    ArgumentError
        If one is not a whole number of 0 or more.

    Examples
    --------
    >>> import numpy as np
    >>> from lamina.layers import Dropout
    >>> layer = Dropout(0.5)
    >>> layer.build((None, 100), seed=0)
    (None, 100)
    >>> x = np.ones((8, 100), "float32")
    >>> whole = layer.forward(x)[0]
    >>> layer.reseed(0)
    >>> with rows_of_batch(6):
    ...     bool((layer.forward(x[6:])[0] == whole[6:]).all())
    True
    """
    before = _place.get()[0] + whole("rows_of_batch", "before", before, 0)
    token = _place.set((before, None if rows is None else whole("rows_of_batch", "rows", rows, 0)))
    try:
        yield
    finally:
        _place.reset(token)


class CallSteps:
    """Within it, and in this thread, the calls of a layer are steps of time of one call, told apart by their number.

    So what a cell draws at a step does not depend on which steps are computed before it: in a row read backwards, on
    how long the longest row beside it is.

    Attributes
    ----------
    step : int
        The one computed now: to be set.
    rows : (n,) integers or None
        Which rows of the batch it has, in order, where it is not all of them as they come: to be set.
    """

    def __init__(self) -> None:
        self.step = 0
        self.rows: _HostArray | None = None
        self._outer: CallSteps | None = None
        self._token: Token[CallSteps | None] | None = None
        self._calls: dict[Draws, bytes] = {}
        self._drawn: dict[tuple[Draws, int], int] = {}

    def __enter__(self) -> Self:
        self._outer = _steps.get()
        self._token = _steps.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        _steps.reset(self._token)

    def picked(self) -> _HostArray | None:
        """Return which rows of the whole batch the step has, where the steps of another call are run in one."""
        outer = None if self._outer is None else self._outer.picked()
        return outer if self.rows is None else self.rows if outer is None else outer[self.rows]

    def next_call(self, draws: Draws) -> bytes:
        """Return the number of a layer's call, of the step, and how often the layer was called at it before."""
        call = self._calls.get(draws)
        if call is None:
            call = self._calls[draws] = draws.count() if self._outer is None else self._outer.next_call(draws)
        drawn = self._drawn.get((draws, self.step), 0)
        self._drawn[draws, self.step] = drawn + 1
        return b"%b.%d.%d" % (call, self.step, drawn)


class _Source:
    """What a layer draws from: the seed and its path, by SHAKE128, from whose bytes nothing follows for others' bytes.

    A row's key is the sum of its own number and the call's, so that neither many rows nor many before them take long.
    """

    def __init__(self, seed: int, path: str) -> None:
        self._begun = hashlib.shake_128(f"{seed}\0{path}\0".encode(), usedforsecurity=False)
        self._rows = np.empty((0, 1), _KEY)

    def call_key(self, call: bytes, size: int) -> bytes:
        """Return some bytes of a call's own."""
        own = self._begun.copy()
        own.update(call)
        content: bytes = own.digest(size)
        return content

    def call_number(self, call: bytes) -> _HostArray:
        """Return a call's own number: (1,) uint64."""
        return np.frombuffer(self.call_key(call, _KEY.itemsize), _KEY)

    def numbers(self, rows: int) -> _HostArray:
        """Return each row's own number: (n, 1) uint64, of so many rows at least; the same array where it can be."""
        known = self._rows
        if len(known) < rows:  # a longer output of SHAKE begins as a shorter one does
            content = self.call_key(b"rows", _KEY.itemsize * max(rows, 2 * len(known)))
            self._rows = known = np.frombuffer(content, _KEY).reshape(-1, 1)
        return known

    def row_keys(self, call: bytes, before: int, rows: int) -> _HostArray:
        """Return the keys (rows, 2) uint32 of some rows of a call, after those before."""
        stop = before + rows
        return (self.numbers(stop)[before:stop] + self.call_number(call)).view(_WORD)


_source = lru_cache(256)(_Source)  # beside the layers, which keep no arrays


@after_fork
def _renew() -> None:
    global _counting
    _counting = threading.Lock()
