"""The compiled hash, at the ends of what its words hold; that it is the generic one: backends/generic/test_random."""

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.hashing import fill_mask, mix  # noqa: E402

LAST = 2**32 - 1


@pytest.mark.parametrize("place", [0, 1, 2**31, LAST])
@pytest.mark.parametrize("first", [0, 2**31, LAST])
@pytest.mark.parametrize("second", [0, 2**31, LAST])
def test_nothing_is_carried_over_a_words_end(place: int, first: int, second: int) -> None:
    x = place ^ first ^ second
    x = (x ^ x >> 17) * 0xED5AD4BB % 2**32
    x = (x ^ x >> 11 ^ second) * 0xAC4C1B51 % 2**32
    x = (x ^ x >> 15) * 0x31848BAB % 2**32
    assert int(mix(*map(np.uint32, (place, first, second)))) == x ^ x >> 14


def test_the_least_word_is_kept_and_the_one_below_it_is_not() -> None:
    keys, keep = np.array([[1, 2]], np.uint32), np.zeros((1, 1), np.bool_)
    word = int(mix(np.uint32(0), np.uint32(1), np.uint32(2)))
    kept = []
    for least in (word - 1, word, word + 1):
        fill_mask(keys, np.uint32(least), keep)
        kept.append(bool(keep[0, 0]))
    assert kept == [True, True, False]
