"""Dense and the pointwise activations, by hand and by loops, on both backends over NumPy."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def frozen(values: Any, dtype: str = "float64") -> np.ndarray:
    array = np.array(values, dtype)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("lead", [(1,), (4,), (2, 3), (0, 3), (2, 0), (2, 2, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_dense_by_loops(backend: Backend, lead: tuple[int, ...], bias: bool) -> None:
    rng = np.random.default_rng(len(lead))
    x, w = frozen(rng.integers(-5, 5, (*lead, 3))), frozen(rng.integers(-5, 5, (3, 2)))
    b, dy = frozen([7.0, -1.0]) if bias else None, frozen(rng.integers(-5, 5, (*lead, 2)))
    y_expected, dx_expected = np.zeros((*lead, 2)), np.zeros((*lead, 3))
    dw_expected, db_expected = np.zeros((3, 2)), np.zeros(2)
    for place in np.ndindex(*lead):
        for j in range(2):
            y_expected[place][j] = sum(x[place][i] * w[i, j] for i in range(3)) + (b[j] if bias else 0)
            db_expected[j] += dy[place][j]
            for i in range(3):
                dx_expected[place][i] += dy[place][j] * w[i, j]
                dw_expected[i, j] += x[place][i] * dy[place][j]
    kernel = backend.select("dense")
    y, saved = kernel.forward(x, w, b)
    dx, dw, db = kernel.backward(dy, saved, w)
    for got, expected in ((y, y_expected), (dx, dx_expected), (dw, dw_expected), (db, db_expected)):
        assert got.shape == expected.shape
        assert got.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("name", "f", "slope"),
    [
        ("tanh", math.tanh, lambda z: 1 / math.cosh(z) ** 2),
        ("sigmoid", lambda z: 1 / (1 + math.exp(-z)), lambda z: math.exp(-z) / (1 + math.exp(-z)) ** 2),
        ("relu", lambda z: max(z, 0.0), lambda z: float(z > 0)),
    ],
)
def test_activations_and_their_slopes(backend: Backend, name: str, f: Any, slope: Any) -> None:
    points = [-3.0, -0.5, 0.0, 0.25, 2.0]
    kernel = backend.select(name)
    y, saved = kernel.forward(frozen([points]))
    np.testing.assert_allclose(y, [[f(z) for z in points]], rtol=1e-14, atol=1e-16)
    y.flags.writeable = False
    dx = kernel.backward(frozen([[1.0, 2.0, 3.0, 4.0, 5.0]]), saved)
    np.testing.assert_allclose(dx, [[(i + 1) * slope(z) for i, z in enumerate(points)]], rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_inputs_saturate_without_overflow(backend: Backend, dtype: str) -> None:
    x = frozen([[-1e4, 0.0, 1e4]], dtype)
    expected = {"tanh": [-1, 0, 1], "sigmoid": [0, 0.5, 1], "relu": [0, 0, 1e4], "softmax": [0, 0, 1]}
    for name, values in expected.items():
        y, saved = backend.select(name).forward(x)
        dx = backend.select(name).backward(frozen([[1.0, 1.0, 1.0]], dtype), saved)
        assert (y.dtype, y.tolist()) == (dtype, [values])
        assert dx.dtype == dtype
        assert np.isfinite(dx).all()


def test_softmax_by_hand(backend: Backend) -> None:
    # exp(log n) = n, so the outputs are 1/6, 2/6, 3/6, whatever is added to all.
    x = frozen(np.log([[1.0, 2.0, 3.0]]) + 300)
    kernel = backend.select("softmax")
    y, saved = kernel.forward(x)
    np.testing.assert_allclose(y, [[1 / 6, 1 / 3, 1 / 2]], rtol=1e-12)
    dx = kernel.backward(frozen([[1.0, 0.0, 0.0]]), saved)
    # dy_i / dx_j = y_i (delta_ij - y_j)
    np.testing.assert_allclose(dx, [[1 / 6 * 5 / 6, -1 / 6 * 1 / 3, -1 / 6 * 1 / 2]], rtol=1e-12)


def test_softmax_is_taken_over_the_last_axis_alone(backend: Backend) -> None:
    y, _ = backend.select("softmax").forward(frozen(np.zeros((2, 3, 4))))
    assert y.tolist() == np.full((2, 3, 4), 0.25).tolist()
