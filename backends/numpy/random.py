"""NumPy's random words, computed in place, and masks from as many of them at a time as a core's memory holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.generic.random import RandomOperations, least_kept

__all__ = ["NumPyRandom"]

# Words computed at a time for a mask: with what is shifted of them 256 KiB, which a core's own memory holds.
_AT_ONCE = 2**15

# As arrays: NumPy takes longer to read a number at every call.
_WORD = np.dtype(np.uint32)
_FIRST, _SECOND, _THIRD = (np.array(factor, _WORD) for factor in (0xED5AD4BB, 0xAC4C1B51, 0x31848BAB))
_BY_17, _BY_11, _BY_15, _BY_14 = (np.array(places, _WORD) for places in (17, 11, 15, 14))
_FEW = np.arange(2**10, dtype=_WORD)


class NumPyRandom(RandomOperations):
    """The same words, with no new array for each of the steps to them."""

    def random_words(self, keys: Any, count: int) -> Array:
        """Return a word for each element of each row: (rows, count) of uint32."""
        first, second = _halves(keys)
        x = self.empty((len(keys), count), _WORD)
        np.bitwise_xor(_places(count), first, x)
        _mix(x, self.empty(x.shape, _WORD), second)
        return x

    def keep_mask(self, keys: Any, shape: Sequence[int], rate: float) -> Array:
        """Return which elements of an array are kept, bool, where each is dropped with the probability ``rate``."""
        rows, count, least = len(keys), math.prod(shape[1:]), _least(rate)
        places, (first, second) = _places(count), _halves(keys)
        if rows * count <= _AT_ONCE:  # for a few of them as few calls as can be
            x = places ^ first
            _mix(x, np.empty_like(x), second)
            return (x >= least).reshape(shape)
        keep = self.empty((rows, count), np.bool_)
        at_once = max(1, _AT_ONCE // count)
        room = np.empty((2, min(rows, at_once), count), _WORD)
        for start in range(0, rows, at_once):
            part = slice(start, start + at_once)
            x, shifted = room[:, : rows - start]
            np.bitwise_xor(places, first[part], x)
            _mix(x, shifted, second[part])
            np.greater_equal(x, least, keep[part])
        return keep.reshape(shape)


@lru_cache(64)
def _least(rate: float) -> Array:
    return np.array(least_kept(rate), _WORD)


def _places(count: int) -> Array:
    """Return places in a row after the first shift, which may be done to places and keys apart."""
    if count <= len(_FEW):
        return _FEW[:count]
    places = np.arange(count, dtype=_WORD)
    return places if count <= 2**17 else places ^ (places >> _BY_17)


def _halves(keys: Any) -> tuple[Array, Array]:
    """Return the keys' two words (rows, 1): what is brought in at first, after the first shift, and the second one."""
    second = keys[:, 1:]
    first = keys[:, :1] ^ second
    first ^= first >> _BY_17
    return first, second


def _mix(x: Array, shifted: Array, second: Array) -> None:
    """Turn what the first shift left into words, in place."""
    multiply, xor, shift = np.multiply, np.bitwise_xor, np.right_shift
    multiply(x, _FIRST, x)
    shift(x, _BY_11, shifted)
    xor(x, shifted, x)
    xor(x, second, x)
    multiply(x, _SECOND, x)
    shift(x, _BY_15, shifted)
    xor(x, shifted, x)
    multiply(x, _THIRD, x)
    shift(x, _BY_14, shifted)
    xor(x, shifted, x)
