"""Functions of single numbers of compiled code beside float64's, in units of the last place."""

import math

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.elements import (  # noqa: E402
    exponential,
    less_one,
    log_one_more,
    sigmoid,
    squash,
)
from lamina.backends.numba.engine.memory import OPTIONS  # noqa: E402


@numba.njit(**OPTIONS)
def squashed(x, y):
    for k in range(len(x)):
        y[k] = squash(x[k])


@numba.njit(**OPTIONS)
def opened(x, half, y):
    for k in range(len(x)):
        y[k] = sigmoid(x[k], half)


def values(function, x, *further):
    y = np.empty_like(x)
    function(x, *further, y)
    return y


def test_float32_is_off_by_3e_7_at_most():
    x = np.concatenate([np.geomspace(1e-30, 1, 100_000), np.linspace(1, 12, 500_000)]).astype(np.float32)
    for signed in (x, -x):
        y = values(squashed, signed)
        assert np.abs(y / np.tanh(signed.astype(np.float64)) - 1).max() < 4.8e-7
        assert np.abs(y.astype(np.float64) - np.tanh(signed.astype(np.float64))).max() < 3.1e-7
        assert np.abs(y).max() <= 1


def test_float64_is_the_librarys():
    x = np.linspace(-20, 20, 10_001)
    np.testing.assert_allclose(values(squashed, x), np.tanh(x), rtol=1e-15)
    assert squash(0.5) == math.tanh(0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_sigmoid(dtype):
    x = np.linspace(-30, 30, 10_001).astype(dtype)
    expected = 1 / (1 + np.exp(-x.astype(np.float64)))
    assert np.abs(values(opened, x, dtype(0.5)) - expected).max() < (2e-7 if dtype is np.float32 else 1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite(dtype):
    x = np.array([np.inf, -np.inf, np.nan, 0, -0.0, 1e30], dtype)
    np.testing.assert_allclose(values(squashed, x), np.array([1, -1, np.nan, 0, 0, 1], dtype), rtol=1e-7)
    expected = np.array([1, 0, np.nan, 0.5, 0.5, 1], dtype)
    np.testing.assert_allclose(values(opened, x, dtype(0.5)), expected, atol=1e-7)


def over(function, x):
    """Return a function, compiled, of each number."""

    @numba.njit
    def run(x, y):
        for k in range(len(x)):
            y[k] = function(x[k])

    y = np.empty_like(x)
    run(x, y)
    return y


CASES = {
    "tanh": (squash, np.tanh, np.linspace(-12, 12, 20001), 6),
    "exp": (exponential, np.exp, np.linspace(-87, 88.5, 20001), 3),
    "exp - 1": (less_one, np.expm1, -np.geomspace(1e-30, 80, 20001), 8),
    "log(1 + x)": (log_one_more, np.log1p, np.geomspace(1e-30, 1, 20001), 3),
}


@pytest.mark.parametrize("name", CASES)
def test_float32_is_off_by_a_few_units_in_the_last_place(name):
    function, exact, x, units = CASES[name]
    x = x.astype("float32")
    y, expected = over(function, x), exact(x.astype("float64"))
    place = np.spacing(np.abs(expected).astype("float32"))
    assert (np.abs(y - expected) / place).max() <= units


@pytest.mark.parametrize("name", CASES)
def test_in_float64_each_is_the_librarys(name):
    function, exact, x, _ = CASES[name]
    np.testing.assert_allclose(over(function, x), exact(x), rtol=1e-14)


def test_the_ends_of_exp():
    x = np.array([89, 1e30, np.inf, -104, -1e30, -np.inf, np.nan, -90, 0], "float32")
    y = over(exponential, x)
    assert y[:3].tolist() == [np.inf] * 3
    assert y[3:6].tolist() == [0.0] * 3
    assert math.isnan(y[6])
    assert abs(y[7] / np.exp(-90.0) - 1) < 0.01  # one of few digits
    assert y[8] == 1
