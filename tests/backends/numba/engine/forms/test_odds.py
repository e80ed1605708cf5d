"""The largest of some numbers, and their exponentials below it."""

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.forms.odds import below, largest_of, odds  # noqa: E402


@numba.njit
def _largest(z):
    return largest_of(len(z), z)


@numba.njit
def _odds(z, e):
    return odds(len(z), z, e)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_is_found_wherever_it_is(dtype):
    rng = np.random.default_rng(0)
    for size in (*range(1, 20), 33):
        for place in range(size):
            z = rng.normal(size=size).astype(dtype)
            z[place] = 9
            assert _largest(z) == 9
            z[place] = np.nan
            assert np.isnan(_largest(z))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_odds_are_exponentials_below_the_largest(dtype):
    rng = np.random.default_rng(1)
    for size in (1, 3, 8, 31, 200):
        z = (30 * rng.normal(size=size)).astype(dtype)
        e = np.empty_like(z)
        most, total = _odds(z, e)
        expected = np.exp(z.astype(float) - z.max())
        assert most == z.max()
        np.testing.assert_allclose(e, expected, rtol=1e-5 if dtype is np.float32 else 1e-13, atol=1e-44)
        np.testing.assert_allclose(total, expected.sum(), rtol=1e-5 if dtype is np.float32 else 1e-13)


@pytest.mark.parametrize(
    ("z", "expected"),
    [
        ([np.inf, 0.0, np.inf], [1, 0, 1]),
        ([-np.inf, -np.inf], [1, 1]),
        ([-np.inf, 0.0], [0, 1]),
        ([np.nan, 0.0], [np.nan, np.nan]),
    ],
)
def test_what_is_infinite_stands_for_its_limit(z, expected):
    for dtype in (np.float32, np.float64):
        e = np.empty(len(z), dtype)
        _odds(np.array(z, dtype), e)
        np.testing.assert_array_equal(e, expected)


def test_below_is_a_difference():
    difference = numba.njit(lambda z, most: below(z, most))
    assert difference(1.0, 3.0) == -2
