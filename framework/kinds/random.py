"""Layers that draw random numbers in training: from a seed of their own, a new generator for every call."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from lamina.backends.forking import after_fork
from lamina.core.arguments import whole
from lamina.core.layer import Layer
from lamina.errors import NotBuiltError

__all__ = ["RandomLayer", "fixed_draws"]

_counting = threading.Lock()
_fixed: ContextVar[int | None] = ContextVar("lamina_fixed_draws", default=None)


class RandomLayer(Layer):
    """The base class of layers that draw random numbers in ``forward``, from `generator`.

    Building gives each one a seed, drawn after all weights from the model's: the same seed, the same run, on every
    backend and in both dtypes. The n-th call of a layer draws from (seed, n) alone, so layers are independent of
    each other, and so are calls. From several threads at once, each call still gets numbers of its own; which
    thread gets which is up to their order.

    A copied or pickled layer goes on from the same call as its original. A model file holds weights, not the place
    in a run: a loaded model draws as one built with seed 0, from the first call on. `reseed` begins anew.
    """

    _draws: _Draws | None = None

    def reseed(self, seed: int) -> None:
        """Draw from another seed, from the first call on.

        Raises
        ------
        ArgumentError
            If the seed is not a whole number of 0 or more.
        """
        self._draws = _Draws(whole(self.label, "seed", seed, 0))

    def generator(self) -> np.random.Generator:
        """Return a new generator for one call of forward.

        Raises
        ------
        NotBuiltError
            If the layer was neither built nor given a seed.
        """
        fixed = _fixed.get()
        if fixed is not None:  # apart by path: a layer's seed is not kept in a model file
            return np.random.default_rng((fixed, zlib.crc32(self.path.encode())))
        if self._draws is None:
            raise NotBuiltError(f"{self.label} has no seed: call build(shape) or reseed(seed) first")
        return self._draws.generator()


@contextmanager
def fixed_draws(seed: int = 0) -> Iterator[None]:
    """Within it, and in this thread, every call of a layer draws the same numbers.

    So forward is a function of its inputs, as differences need it that a gradient is compared with:
    `lamina.testing` runs every forward pass in it.

    Parameters
    ----------
    seed : int

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


class _Draws:
    """A seed, and how many calls have drawn from it."""

    def __init__(self, seed: int, calls: int = 0) -> None:
        self.seed = seed
        self.calls = calls

    def generator(self) -> np.random.Generator:
        with _counting:
            call = self.calls
            self.calls += 1
        return np.random.default_rng((self.seed, call))

    def __reduce__(self) -> tuple[Any, ...]:
        return _Draws, (self.seed, self.calls)


@after_fork
def _renew() -> None:
    global _counting
    _counting = threading.Lock()
