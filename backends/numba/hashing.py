"""The hash of `RandomOperations`, element by element, compiled by Numba.

The file is imported by the backend alone, where Numba is installed.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["fill_mask", "fill_words", "mix"]

_compiled = numba.njit(cache=True, nogil=True)

_A, _B, _C = np.uint32(0xED5AD4BB), np.uint32(0xAC4C1B51), np.uint32(0x31848BAB)
_BY_17, _BY_11, _BY_15, _BY_14 = np.uint32(17), np.uint32(11), np.uint32(15), np.uint32(14)


@_compiled
def mix(place: Any, first: Any, second: Any) -> Any:
    """Return the word of a place in a row, the row's key being two words; all of them uint32."""
    # Numba widens what it computes of words to 64 bits; only what is cut again at each step compiles to words.
    x = np.uint32(place ^ first ^ second)
    x = np.uint32(np.uint32(x ^ (x >> _BY_17)) * _A)
    x = np.uint32(np.uint32(x ^ (x >> _BY_11) ^ second) * _B)
    x = np.uint32(np.uint32(x ^ (x >> _BY_15)) * _C)
    return np.uint32(x ^ (x >> _BY_14))


@_compiled
def fill_words(keys: Any, words: Any) -> None:
    """Write the words (rows, count) of rows with these keys (rows, 2)."""
    rows, count = words.shape
    for row in range(rows):
        first, second = keys[row, 0], keys[row, 1]
        for place in range(count):
            words[row, place] = mix(np.uint32(place), first, second)


@_compiled
def fill_mask(keys: Any, least: Any, keep: Any) -> None:
    """Write which words (rows, count) of rows with these keys (rows, 2) are at least so large."""
    rows, count = keep.shape
    for row in range(rows):
        first, second = keys[row, 0], keys[row, 1]
        for place in range(count):
            keep[row, place] = mix(np.uint32(place), first, second) >= least
