"""What compiled code does to single numbers, against the same in float64."""

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.elements import exponential, log_1p, sigmoid, squash  # noqa: E402


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


def test_tanh_and_the_sigmoid_of_float32():
    x = np.concatenate([np.geomspace(1e-30, 1, 10_001), np.linspace(1, 12, 100_001)]).astype(np.float32)
    for y in (x, -x):
        assert np.abs(over(lambda x: squash(x))(y) / np.tanh(y.astype(np.float64)) - 1).max() < 4e-7
        logistic = over(lambda x: sigmoid(x, np.float32(0.5)))(y)
        np.testing.assert_allclose(logistic, 1 / (1 + np.exp(-y.astype(np.float64))), atol=2e-7)
