"""The largest of a row's numbers."""

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.passes.rows import largest  # noqa: E402


@pytest.fixture(scope="module")
def found():
    return numba.njit(lambda array: largest(array, array.size))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_the_largest(found, dtype):
    rng = np.random.default_rng(0)
    for size in (1, 2, 15, 16, 17, 500):
        array = rng.normal(size=size).astype(dtype)
        for one in (array, -np.abs(array), np.abs(array)):
            assert found(one) == one.max()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_infinity_and_nan_are_seen(found, dtype):
    assert found(np.array([1, np.inf, -np.inf], dtype)) == np.inf
    assert found(np.array([-np.inf, -np.inf], dtype)) == -np.inf
    assert np.isnan(found(np.array([1, np.nan, np.inf], dtype)))
    assert found(np.array([-0.0, 0.0], dtype)) == 0
