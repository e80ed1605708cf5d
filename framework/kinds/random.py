"""Layers that draw random numbers in training, by counting: from a seed, their path, the call and the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from lamina.backends import Array
from lamina.core.arguments import number, whole
from lamina.core.layer import Layer
from lamina.errors import NotBuiltError, ShapeError
from lamina.kinds.draws import Draws, draws_of, fixed_draws, rows_of_batch

__all__ = ["RandomLayer", "fixed_draws", "rows_of_batch"]


class RandomLayer(Layer):
    """The base class of layers that draw random numbers in ``forward``: masks by `keep_mask`, others by `generator`.

    What a call draws follows from the model's seed, the layer's path, how many calls the layer had before, and the row
    of the batch: nothing else. So one seed gives the same run on every backend and in both dtypes; layers, calls and
    rows are independent of each other; and a batch computed in parts draws what it would as a whole, see
    `rows_of_batch`. In a cell the steps over a batch are one call, and each draws for itself. From several threads at
    once each call still gets numbers of its own; which thread gets which is up to their order.

    A copied or pickled layer goes on from the same call as its original. A model file holds weights, not the place in
    a run: a loaded model draws as one built with seed 0, from the first call on. `draws` tells the place, `reseed`
    sets it. In another model a layer has another path, and so draws anew.
    """

    _kept: ClassVar[tuple[str, ...]] = ("draws", "generator", "keep_mask", "next_numbers", "reseed")
    _draws: Draws | None = None

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
        self._draws = Draws(whole(self.label, "seed", seed, 0), whole(self.label, "calls", calls, 0))

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
        backend = self.backend
        return backend.keep_mask(backend.row_keys(*self._seeded().row_numbers(self.path, shape[0])), shape, rate)

    def next_numbers(self, rows: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Count a call, and return the numbers (rows, 1) of so many rows, and of the call (1,): see `keep_mask`."""
        return self._seeded().row_numbers(self.path, rows)

    def generator(self) -> np.random.Generator:
        """Return a new generator for one call of forward, for what no mask is.

        It does not tell rows apart: a batch computed in parts (see `rows_of_batch`) draws other numbers for each part
        than for the whole.

        Raises
        ------
        NotBuiltError
            If the layer was neither built nor given a seed.
        """
        return self._seeded().generator(self.path)

    def _seeded(self) -> Draws:
        """Return what to draw from."""
        draws = draws_of(self._draws)
        if draws is None:
            raise NotBuiltError(f"{self.label} has no seed: call build(shape) or reseed(seed) first")
        return draws
