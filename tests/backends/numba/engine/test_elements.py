"""Functions of single numbers beside float64's, in units of the last place."""

import math

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.elements import exponential, less_one, log_one_more, squash  # noqa: E402


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
def test_float64_is_the_librarys(name):
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
