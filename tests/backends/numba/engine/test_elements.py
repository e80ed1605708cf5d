"""Functions of single numbers of compiled code: tanh, the sigmoid, exp, exp(x) - 1 and log(1 + x)."""

import math

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.elements import (  # noqa: E402
    exponential,
    less_one,
    log_1p,
    logarithm,
    mantissa,
    power,
    power_of_2,
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


def over(function):
    return numba.vectorize(["float32(float32)", "float64(float64)"])(function)


@pytest.fixture(scope="module")
def exp():
    return over(lambda x: exponential(x))


def test_exp_of_float32_is_off_by_at_most_a_unit_in_the_last_place(exp):
    x = np.concatenate([np.linspace(-87, 88.7, 2_000_001), np.linspace(-1e-3, 1e-3, 10_001)]).astype(np.float32)
    assert np.abs(exp(x) / np.exp(x.astype(np.float64)) - 1).max() < 1e-7


def test_exp_of_float32_becomes_0_bit_by_bit_and_infinity_where_it_is(exp):
    x = np.linspace(-104, -87, 100_001).astype(np.float32)
    assert np.abs(exp(x) - np.exp(x.astype(np.float64))).max() < 2.0**-149
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan, 88.73, 200, 3e38, -104.5, -3e38], np.float32)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(exp(special), np.exp(special))


def test_exp_and_the_logarithm_of_float64_are_the_librarys(exp):
    x = np.linspace(-700, 700, 10_001)
    np.testing.assert_allclose(exp(x), np.exp(x), rtol=1e-15)
    y = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(over(lambda x: log_1p(x))(y), np.log1p(y), rtol=1e-15)


def test_the_logarithm_of_float32_is_right_near_0_too():
    x = np.concatenate([np.linspace(0, 1, 500_001), np.geomspace(1e-44, 1, 10_001)]).astype(np.float32)[1:]
    assert np.abs(over(lambda x: log_1p(x))(x) / np.log1p(x.astype(np.float64)) - 1).max() < 2e-7
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(over(lambda x: log_1p(x))(np.array([0, np.nan], np.float32)), [0, np.nan])


def test_exp_less_1_of_float32_is_right_near_0_too():
    x = -np.geomspace(1e-30, 80, 20_001).astype(np.float32)
    exact = np.expm1(x.astype(np.float64))
    place = np.spacing(np.abs(exact).astype(np.float32))
    assert (np.abs(over(lambda x: less_one(x))(x) - exact) / place).max() <= 8
    y = x.astype(np.float64)
    np.testing.assert_allclose(over(lambda x: less_one(x))(y), np.expm1(y), rtol=1e-14)


def test_powers_of_2_of_float32_are_off_by_at_most_a_unit_in_the_last_place():
    x = np.concatenate([np.linspace(-126, 127, 2_000_001), np.linspace(-1e-3, 1e-3, 10_001)]).astype(np.float32)
    own = over(lambda x: power_of_2(x))
    assert np.abs(own(x) / np.exp2(x.astype(np.float64)) - 1).max() < 1.2e-7
    whole = np.arange(-126, 128)
    np.testing.assert_array_equal(own(whole.astype(np.float32)), np.ldexp(np.float32(1), whole))
    with np.errstate(all="ignore"):
        assert np.isnan(own(np.array([np.nan], np.float32))[0])
    y = np.linspace(-1000, 1000, 10_001)
    np.testing.assert_allclose(own(y), np.exp2(y), rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_is_its_mantissa_times_its_power_of_2(dtype):
    x = np.concatenate([np.geomspace(1e-37, 1e38, 10_001), np.exp2(np.arange(-120.0, 120))]).astype(dtype)
    parts, powers = over(lambda x: mantissa(x))(x), over(lambda x: power(x))(x)
    fractions, exponents = np.frexp(x)
    np.testing.assert_array_equal(parts, 2 * fractions)
    np.testing.assert_array_equal(powers, exponents - 1)


def test_the_logarithm_of_float32_is_right_from_the_least_number_to_the_largest():
    x = np.concatenate([np.geomspace(1e-44, 3.4e38, 500_001), np.linspace(0.5, 2, 100_001)]).astype(np.float32)
    exact = np.log(x.astype(np.float64))
    own = over(lambda x: logarithm(x))
    assert (np.abs(own(x) - exact) / np.maximum(np.abs(exact), 0.7)).max() < 2e-7
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(own(np.array([1, np.inf, np.nan], np.float32)), [0, np.inf, np.nan])
    y = np.geomspace(1e-300, 1e300, 1001)
    np.testing.assert_allclose(own(y), np.log(y), rtol=1e-15)
