"""The compiled hyperbolic tangent."""

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.steps import squash  # noqa: E402


@pytest.fixture(scope="module")
def tanh():
    return numba.vectorize(["float32(float32)", "float64(float64)"])(lambda x: squash(x))


def test_float32_is_right_to_a_few_units_in_the_last_place(tanh):
    positive = np.concatenate([np.geomspace(1e-30, 1, 100_000), np.linspace(1, 12, 500_000)]).astype(np.float32)
    for x in (positive, -positive):
        expected = np.tanh(x.astype(np.float64))
        error = np.abs(tanh(x) / expected - 1)
        assert error.max() < 4 * 2.0**-23
        assert np.abs(tanh(x)).max() <= 1


def test_special_values(tanh):
    x = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e30], np.float32)
    y = tanh(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, np.tanh(x), rtol=1e-7)
    assert np.signbit(y[1])


def test_float64_is_the_librarys(tanh):
    x = np.linspace(-20, 20, 10_001)
    np.testing.assert_allclose(tanh(x), np.tanh(x), rtol=1e-15)
    assert squash(0.5) == np.tanh(0.5)
