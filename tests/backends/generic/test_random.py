"""Random words: the formula in whole numbers, its published inverse, and statistics; alike on every backend."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.backends.generic.random import least_kept
from lamina.testing import register_strict_backend

register_strict_backend()
NAMES = ["reference", "numpy", "array-api-strict", *(["numba"] if find_spec("numba") else [])]
BACKENDS = [lamina.get_backend(name) for name in NAMES]
on_every_backend = pytest.mark.parametrize("backend", BACKENDS, ids=NAMES)
HALF = 2**31


def keys(rows: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 2**32, (rows, 2), dtype=np.uint32)


def words(these: Any, count: int, name: str = "numpy") -> Any:
    backend = lamina.get_backend(name)
    return backend.to_numpy(backend.random_words(these, count))


def in_whole_numbers(place: int, first: int, second: int) -> int:
    """Return a word by the formula in the docstring, in numbers that have no width."""
    x = place ^ first ^ second
    x ^= x >> 17
    x = x * 0xED5AD4BB % 2**32
    x ^= x >> 11
    x ^= second
    x = x * 0xAC4C1B51 % 2**32
    x ^= x >> 15
    x = x * 0x31848BAB % 2**32
    return x ^ x >> 14


def place_of(word: int) -> int:
    """Return from which place a word came under a key of zeros: the inverse that hash-prospector publishes."""
    x = word ^ word >> 14 ^ word >> 28
    x = x * 0x32B21703 % 2**32
    x ^= x >> 15 ^ x >> 30
    x = x * 0x469E0DB1 % 2**32
    x ^= x >> 11 ^ x >> 22
    x = x * 0x79A85073 % 2**32
    return x ^ x >> 17


@on_every_backend
@pytest.mark.parametrize(("rows", "count"), [(5, 7), (1, 1), (2, 2**17 + 3), (3, 0), (0, 3)])
def test_words_are_those_of_the_formula(backend: Any, rows: int, count: int) -> None:
    own = keys(rows)
    got = backend.random_words(own, count)
    assert backend.is_array(got) and got.shape == (rows, count) and got.dtype == backend.dtype("uint32")
    places = [*range(min(count, 7)), *range(max(7, count - 3), count)]
    expected = [[in_whole_numbers(place, *map(int, key)) for place in places] for key in own]
    assert backend.to_numpy(got)[:, places].tolist() == expected


@on_every_backend
def test_without_a_key_they_are_the_published_hash(backend: Any) -> None:
    got = backend.to_numpy(backend.random_words(np.zeros((1, 2), np.uint32), 2000))[0]
    assert [place_of(int(word)) for word in got] == list(range(2000))


@on_every_backend
def test_keys_that_cannot_be_written_to_are_taken_and_left_alone(backend: Any) -> None:
    own = keys(4)
    before = own.copy()
    own.setflags(write=False)
    got = backend.to_numpy(backend.keep_mask(own, (4, 9), 0.5))
    assert (own == before).all()
    assert got.tolist() == (words(before, 9, "reference") >= HALF).tolist()


@on_every_backend
@pytest.mark.parametrize("shape", [(3, 5, 7), (3, 1, 7), (3,), (70, 1000), (2, 40_000), (3, 0, 2), (0, 4)])
@pytest.mark.parametrize("rate", [0, 0.1, 0.5, 0.999])
def test_a_mask_keeps_the_words_from_its_rate_on_in_c_order(backend: Any, shape: Any, rate: float) -> None:
    own = keys(shape[0])
    got = backend.keep_mask(own, shape, rate)
    assert backend.is_array(got) and tuple(got.shape) == shape
    kept = backend.to_numpy(got)
    assert kept.dtype == np.bool_
    count = int(np.prod(shape[1:]))
    expected = words(own, count, "reference").astype(np.float64) / 2**32 >= rate
    assert kept.reshape(shape[0], count).tolist() == expected.tolist()


def test_the_least_word_that_is_kept_is_exact() -> None:
    assert [least_kept(rate) for rate in (0, 0.0, 0.25, 0.5, 0.75)] == [0, 0, 2**30, 2**31, 3 * 2**30]
    assert least_kept(1 / 3) == 1431655766  # 2^32 / 3 is 1431655765.33
    assert [least_kept(2**-32), least_kept(2**-32 * 1.001), least_kept(1e-300)] == [1, 2, 1]
    assert [least_kept(1 - 2**-32), least_kept(1 - 2**-53)] == [2**32 - 1, 2**32 - 1]


# Statistics, of rows whose keys are as alike as can be: neighbours in whole numbers. A normal deviate is beyond 5.5
# once in 26 million times; each test looks at a few thousand.
FAR = 5.5


def neighbours(rows: int) -> Any:
    return np.stack([np.arange(rows) // 8, np.arange(rows)], axis=1).astype(np.uint32)


def deviates_of_bits(of: Any) -> Any:
    """Return by how many standard deviations the share of ones in each bit is off one half."""
    flat = np.ascontiguousarray(of).reshape(-1)
    ones = np.array([np.count_nonzero(flat & np.uint32(1 << bit)) for bit in range(32)])
    return (ones - flat.size / 2) / np.sqrt(flat.size / 4)


def deviate_of_bytes(of: Any) -> float:
    """Return chi-square over the values of all bytes, as a normal deviate (Wilson and Hilferty)."""
    counts = np.bincount(np.ascontiguousarray(of).reshape(-1).view(np.uint8), minlength=256)
    free, expected = 255, counts.sum() / 256
    chi_square = ((counts - expected) ** 2 / expected).sum()
    return float(((chi_square / free) ** (1 / 3) - (1 - 2 / (9 * free))) / np.sqrt(2 / (9 * free)))


def test_bits_and_bytes_are_uniform() -> None:
    got = words(neighbours(64), 2**14)
    assert np.abs(deviates_of_bits(got)).max() < FAR
    assert max(np.abs(deviates_of_bits(row)).max() for row in got) < FAR
    assert abs(deviate_of_bytes(got)) < FAR


@pytest.mark.parametrize("apart", [1, 2, 3, 7, 8, 64, 100, 4096])
def test_words_of_neighbours_have_no_bit_in_common_but_by_chance(apart: int) -> None:
    got = words(neighbours(64), 2**14)
    differences = got[:, apart:] ^ got[:, :-apart]
    assert np.abs(deviates_of_bits(differences)).max() < FAR
    assert abs(deviate_of_bytes(differences)) < FAR


@pytest.mark.parametrize("apart", [1, 2, 8, 9, 32])
def test_words_of_rows_have_no_bit_in_common_but_by_chance(apart: int) -> None:
    got = words(neighbours(64), 2**14)
    differences = got[apart:] ^ got[:-apart]
    assert np.abs(deviates_of_bits(differences)).max() < FAR
    assert abs(deviate_of_bytes(differences)) < FAR


def test_a_changed_bit_of_the_place_changes_every_bit_of_half_the_words() -> None:
    got = words(keys(1, seed=2), 2**21)[0]
    for bit in range(21):
        places = np.arange(2**21)
        places = places[places & (1 << bit) == 0]  # each pair once
        changed = got[places] ^ got[places | (1 << bit)]
        assert np.abs(deviates_of_bits(changed)).max() < FAR, bit


@pytest.mark.parametrize("which", [0, 1])
def test_a_changed_bit_of_a_key_changes_every_bit_of_half_the_words(which: int) -> None:
    own = keys(2**14, seed=3)
    before = words(own, 4)
    for bit in range(32):
        other = own.copy()
        other[:, which] ^= np.uint32(1 << bit)
        assert np.abs(deviates_of_bits(words(other, 4) ^ before)).max() < FAR, bit


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.9])
def test_masks_drop_at_their_rate_in_runs_as_long_as_chance_has_them(rate: float) -> None:
    backend = lamina.get_backend("numpy")
    kept = backend.keep_mask(neighbours(64), (64, 2**14), rate)
    elements, dropped = kept.size, ~kept
    assert abs(dropped.sum() - rate * elements) < FAR * np.sqrt(rate * (1 - rate) * elements)
    for length in (2, 3):  # of independent elements, so many in a row are dropped with rate^length
        runs = np.logical_and.reduce([dropped[:, start::length][:, : 2**14 // length] for start in range(length)])
        share = rate**length
        assert abs(runs.sum() - share * runs.size) < FAR * np.sqrt(share * (1 - share) * runs.size)
