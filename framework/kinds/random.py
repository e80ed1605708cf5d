"""Layers that draw random numbers in training, by counting: from a seed, their path, the call and the row."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from lamina.backends import Array
from lamina.backends.forking import after_fork
from lamina.core.arguments import number, whole
from lamina.core.layer import Layer
from lamina.errors import NotBuiltError, ShapeError

__all__ = ["RandomLayer", "fixed_draws", "picked_rows", "rows_of_batch"]

_KEY, _WORD = np.dtype("<u8"), np.dtype("<u4")  # the same on every machine

_counting = threading.Lock()
_fixed: ContextVar[int | None] = ContextVar("lamina_fixed_draws", default=None)
# How many rows come before those computed now, and how many these are where that is known.
_place: ContextVar[tuple[int, int | None]] = ContextVar("lamina_rows_of_batch", default=(0, None))
# Which of those rows are computed, where it is not all of them.
_picked: ContextVar[np.ndarray[Any, Any] | None] = ContextVar("lamina_picked_rows", default=None)


class RandomLayer(Layer):
    """The base class of layers that draw random numbers in ``forward``: masks by `keep_mask`, others by `generator`.

    What a call draws follows from the model's seed, the layer's path, how many calls the layer had before, and the row
    of the batch: nothing else. So one seed gives the same run on every backend and in both dtypes; layers, calls and
    rows are independent of each other; and a batch computed in parts draws what it would as a whole, see
    `rows_of_batch`. From several threads at once each call still gets numbers of its own; which thread gets which is
    up to their order.

    A copied or pickled layer goes on from the same call as its original. A model file holds weights, not the place in
    a run: a loaded model draws as one built with seed 0, from the first call on. `draws` tells the place, `reseed`
    sets it. In another model a layer has another path, and so draws anew.
    """

    _kept: ClassVar[tuple[str, ...]] = ("draws", "generator", "keep_mask", "reseed")
    _draws: _Draws | None = None

    @property
    def draws(self) -> dict[str, int] | None:
        """Where the layer is in its run: ``seed`` and ``calls``, which `reseed` takes; None before it has a seed."""
        return None if self._draws is None else {"seed": self._draws.seed, "calls": self._draws.calls}

    def reseed(self, seed: int, calls: int = 0) -> None:
        """Draw from another seed, from the first call on, or as after some calls.

        Parameters
        ----------
        seed : int
            Layers of one model may have the same: their paths tell them apart.
        calls : int
            How many calls count as made.

        Raises
        ------
        ArgumentError
            If one is not a whole number of 0 or more.
        """
        self._draws = _Draws(whole(self.label, "seed", seed, 0), whole(self.label, "calls", calls, 0))

    def keep_mask(self, shape: Sequence[int], rate: float) -> Array:
        """Return a mask for one call of forward: bool, on the backend, False with the probability ``rate``.

        Within a row elements are counted in C order. So the mask of a sequence (time, features) does not depend on
        the padding after it.

        Parameters
        ----------
        shape : tuple of int
            Rows first.
        rate : float
            From 0 to below 1.

        Raises
        ------
        NotBuiltError
            If the layer was neither built nor given a seed.
        ArgumentError
            If the rate is not such a number.
        ShapeError
            If the shape has no rows.
        """
        if not (type(rate) is float and 0 <= rate < 1):
            rate = number(self, "rate", rate, least=0, below=1)
        if not shape:
            raise ShapeError(f"{self.label}: expected a mask's shape to begin with the rows, got ()")
        backend, rows = self.backend, shape[0]
        (before, part), picked = _place.get(), _picked.get()
        if picked is not None:
            part = len(picked)
        if part:  # a layer may have several rows for each of the batch
            before = before * rows // part
        source, call = self._next_call()
        if picked is None or part != rows:
            keys = source.row_keys(call, before, rows)
        else:
            keys = source.row_keys(call, before, int(picked.max(initial=-1)) + 1)[picked]
        return backend.keep_mask(keys, shape, rate)

    def generator(self) -> np.random.Generator:
        """Return a new generator for one call of forward, for what no mask is.

        It does not tell rows apart: a batch computed in parts (see `rows_of_batch`) draws other numbers for each part
        than for the whole.

        Raises
        ------
        NotBuiltError
            If the layer was neither built nor given a seed.
        """
        source, call = self._next_call()
        return np.random.default_rng((int.from_bytes(source.call_key(call, 16), "little"), _place.get()[0]))

    def _next_call(self) -> tuple[_Source, int]:
        """Count a call; return what the layer draws from, and the call's number."""
        fixed = _fixed.get()
        if fixed is not None:
            return _source(fixed, self.path), 0
        draws = self._draws
        if draws is None:
            raise NotBuiltError(f"{self.label} has no seed: call build(shape) or reseed(seed) first")
        return _source(draws.seed, self.path), draws.count()


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
    outer = _place.get()[0]
    before = outer + whole("rows_of_batch", "before", before, 0)
    token = _place.set((before, None if rows is None else whole("rows_of_batch", "rows", rows, 0)))
    try:
        yield
    finally:
        _place.reset(token)


@contextmanager
def picked_rows(rows: np.ndarray[Any, Any]) -> Iterator[None]:
    """Within it, and in this thread, some rows of a batch are computed, these in order: each draws as the whole does.

    Parameters
    ----------
    rows : (n,) integers
        Of those that an outer block picks.
    """
    outer = _picked.get()
    token = _picked.set(rows if outer is None else outer[rows])
    try:
        yield
    finally:
        _picked.reset(token)


class _Source:
    """What a layer draws from: the seed and its path, by SHAKE128, from whose bytes nothing follows for others' bytes.

    A row's key is the sum of its own number and the call's, so that neither many rows nor many before them take long.
    """

    def __init__(self, seed: int, path: str) -> None:
        self._begun = hashlib.shake_128(f"{seed}\0{path}\0".encode(), usedforsecurity=False)
        self._rows = np.empty((0, 1), _KEY)

    def call_key(self, call: int, size: int) -> bytes:
        """Return some bytes of a call's own."""
        return self._bytes(b"%d" % call, size)

    def row_keys(self, call: int, before: int, rows: int) -> np.ndarray[Any, Any]:
        """Return the keys (rows, 2) uint32 of some rows of a call, after those before."""
        stop, known = before + rows, self._rows
        if len(known) < stop:  # a longer output of SHAKE begins as a shorter one does
            content = self._bytes(b"rows", _KEY.itemsize * max(stop, 2 * len(known)))
            self._rows = known = np.frombuffer(content, _KEY).reshape(-1, 1)
        return (known[before:stop] + np.frombuffer(self.call_key(call, _KEY.itemsize), _KEY)).view(_WORD)

    def _bytes(self, what: bytes, size: int) -> bytes:
        own = self._begun.copy()
        own.update(what)
        content: bytes = own.digest(size)
        return content


_source = lru_cache(256)(_Source)  # beside the layers, which keep no arrays


class _Draws:
    """A seed, and how many calls have drawn from it."""

    def __init__(self, seed: int, calls: int = 0) -> None:
        self.seed = seed
        self.calls = calls

    def count(self) -> int:
        """Count a call, and return how many there were before."""
        with _counting:
            call = self.calls
            self.calls = call + 1
        return call


@after_fork
def _renew() -> None:
    global _counting
    _counting = threading.Lock()
