"""Random words and masks as one compiled pass each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.generic.random import least_kept
from lamina.backends.numpy.random import NumPyRandom

__all__ = ["NumbaRandom"]


class NumbaRandom(NumPyRandom):
    """The same words, and masks without an array of words.

    Attributes
    ----------
    hashing : module
        `lamina.backends.numba.hashing`.
    """

    hashing: Any

    def random_words(self, keys: Any, count: int) -> Array:
        """Return a word for each element of each row: (rows, count) of uint32."""
        words = self.empty((len(keys), count), np.uint32)
        self.hashing.fill_words(keys, words)
        return words

    def keep_mask(self, keys: Any, shape: Sequence[int], rate: float) -> Array:
        """Return which elements of an array are kept, bool, where each is dropped with the probability ``rate``."""
        keep = self.empty((len(keys), math.prod(shape[1:])), np.bool_)
        self.hashing.fill_mask(keys, np.uint32(least_kept(rate)), keep)
        return keep.reshape(shape)
