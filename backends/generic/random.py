"""Random words by counting: what an array module computes in whole numbers, and so the same on every one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends.arrays import Array, ArrayOperations

__all__ = ["RandomOperations", "least_kept"]

_WORD = np.dtype("<u4")  # the same on every machine


def least_kept(rate: float) -> int:
    """Return the smallest of the 2^32 words that stands for an element which is kept where ``rate`` of them is not.

    It is ceil(2^32 rate), exactly; at most the largest word, so that whatever the rate below 1 it is a word.
    """
    return min(math.ceil(rate * 2**32), 2**32 - 1)  # a product with a power of two is not rounded


class RandomOperations(ArrayOperations):
    """Words that follow from a row's key and an element's place in its row alone.

    They are a hash of 32 bits, ``triple32`` of C. Wellons' search for such (hash-prospector, 2018), with the key's two
    words brought in before its first and its second product. In order of time, x being the place::

        x ^= k0 ^ k1;  x ^= x >> 17;  x *= ed5ad4bb
        x ^= x >> 11;  x ^= k1;       x *= ac4c1b51
        x ^= x >> 15;                 x *= 31848bab
        x ^= x >> 14

    As the first word takes in the second one, a change of any bit of either passes through all three products, and
    changes every bit of the word in half of all cases. In a row no word comes twice; two rows whose second words are
    equal, by chance one pair in 2^32, have the same words in another order.
    """

    def row_keys(self, numbers: Any, call: Any, start: int, stop: int) -> Any:
        """Return the keys of some rows for one call, as `random_words` and `keep_mask` take them.

        A key is the sum of the row's own number and the call's. Here they are (rows, 2) uint32, on the host; a backend
        may hold them as it likes, and need not be given each row's anew.

        Parameters
        ----------
        numbers : (n, 1) uint64, on the host
            Each row's own, for all rows from the first on: in later calls the same array, or a longer one in its place.
        call : (1,) uint64, on the host
        start, stop : int
            Which rows.
        """
        return (numbers[start:stop] + call).view(_WORD)

    def random_words(self, keys: Any, count: int) -> Array:
        """Return a word for each element of each row: (rows, count) of uint32.

        Parameters
        ----------
        keys : (rows, 2) uint32, on the host, or what `row_keys` returned
        count : int
            The elements of a row, at most 2^32.
        """
        xp = self.xp
        keys = self.asarray(keys)
        second = keys[:, 1:]
        x = xp.arange(count, dtype=xp.uint32)[None, :] ^ (keys[:, :1] ^ second)
        x = (x ^ (x >> 17)) * 0xED5AD4BB
        x = (x ^ (x >> 11) ^ second) * 0xAC4C1B51
        x = (x ^ (x >> 15)) * 0x31848BAB
        return x ^ (x >> 14)

    def keep_mask(self, keys: Any, shape: Sequence[int], rate: float) -> Array:
        """Return which elements of an array are kept, bool, where each is dropped with the probability ``rate``.

        An element is kept where its word is at least 2^32 ``rate``; within a row they are counted in C order.

        Parameters
        ----------
        keys : (rows, 2) uint32, on the host, or what `row_keys` returned
        shape : tuple of int
            Rows first.
        rate : float
            From 0, which keeps all, to below 1.
        """
        return self.reshape(self.random_words(keys, math.prod(shape[1:])) >= least_kept(rate), shape)
