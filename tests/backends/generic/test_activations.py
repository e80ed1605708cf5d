"""The further activations, by hand, on both backends over NumPy."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend
from lamina.backends.generic.activations import LARGEST, SHORT_TAIL, TAIL

POINTS = [-30.0, -6.0, -3.0, -0.5, 0.0, 1e-9, 0.25, 2.0, 9.0]


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def frozen(values: Any, dtype: str = "float64") -> np.ndarray:
    array = np.array(values, dtype)
    array.flags.writeable = False
    return array


def below(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


def squashed(z: float) -> float:
    return math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)


CASES = [
    ("gelu", {}, lambda z: z * below(z), lambda z: below(z) + z * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)),
    (
        "gelu",
        {"approximate": "tanh"},
        lambda z: z / 2 * (1 + math.tanh(squashed(z))),
        lambda z: (
            (1 + math.tanh(squashed(z))) / 2
            + z / 2 / math.cosh(min(squashed(z), 300)) ** 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * z * z)
            if abs(z) < 9
            else float(z > 0)
        ),
    ),
    (
        "silu",
        {},
        lambda z: z / (1 + math.exp(-z)),
        lambda z: 1 / (1 + math.exp(-z)) + z * math.exp(-z) / (1 + math.exp(-z)) ** 2,
    ),
    ("leaky_relu", {"slope": 0.5}, lambda z: z if z > 0 else z / 2, lambda z: 1.0 if z > 0 else 0.5),
    ("leaky_relu", {"slope": -2.0}, lambda z: z if z > 0 else -2 * z, lambda z: 1.0 if z > 0 else -2.0),
    ("elu", {"alpha": 0.5}, lambda z: z if z > 0 else math.expm1(z) / 2, lambda z: 1.0 if z > 0 else math.exp(z) / 2),
]


@pytest.mark.parametrize(("name", "options", "f", "slope"), CASES)
def test_values_and_slopes(backend: Backend, name: str, options: dict[str, Any], f: Any, slope: Any) -> None:
    kernel = backend.select(name, **options)
    y, saved = kernel.forward(frozen([POINTS]), **options)
    np.testing.assert_allclose(y, [[f(z) for z in POINTS]], rtol=1e-13, atol=1e-15)
    y.flags.writeable = False
    dy = np.arange(1.0, len(POINTS) + 1)
    dx = kernel.backward(frozen([dy]), saved)
    np.testing.assert_allclose(dx, [[g * slope(z) for g, z in zip(dy, POINTS, strict=True)]], rtol=1e-13, atol=1e-14)


def test_the_normal_distribution_errs_by_less_than_1e_15(backend: Backend) -> None:
    z = np.concatenate([np.linspace(-12, 12, 20001), np.geomspace(1e-12, 1, 1001)])
    y, _ = backend.select("gelu").forward(frozen(z[z != 0]))
    exact = np.array([below(float(point)) for point in z[z != 0]])
    assert np.abs(y / z[z != 0] - exact).max() < 1e-15


def test_far_below_zero_gelu_keeps_its_digits(backend: Backend) -> None:
    y, _ = backend.select("gelu").forward(frozen([-6.0, -20.0, -37.0]))
    np.testing.assert_allclose(y, [z * below(z) for z in (-6.0, -20.0, -37.0)], rtol=1e-13)


def test_in_float32_it_errs_by_no_more_than_float32_does(backend: Backend) -> None:
    z = np.linspace(-8, 8, 4000, dtype="float32")
    y, _ = backend.select("gelu").forward(frozen(z, "float32"))
    exact = np.array([float(point) * below(float(point)) for point in z])
    assert np.abs(y - exact).max() < 1e-6
    assert np.abs(y / z - exact / z).max() < 3e-7


@pytest.mark.parametrize(("coefficients", "error"), [(TAIL, 1e-15), (SHORT_TAIL, 1e-8)])
def test_the_tail_at_zero_is_one_half(coefficients: tuple[float, ...], error: float) -> None:
    # There t = 1/4 and s = -1.
    alternating = sum(coefficient * (-1) ** power for power, coefficient in enumerate(coefficients))
    assert alternating / 4 == pytest.approx(0.5, abs=error)
    assert math.exp(-LARGEST * LARGEST / 2) == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["gelu", "gelu-tanh", "leaky_relu", "elu"])
def test_large_inputs_neither_overflow_nor_become_nan(backend: Backend, dtype: str, name: str) -> None:
    options: dict[str, Any] = {"leaky_relu": {"slope": 0.1}, "elu": {"alpha": 1.0}}.get(name, {})
    if name == "gelu-tanh":
        name, options = "gelu", {"approximate": "tanh"}
    kernel = backend.select(name, **options)
    y, saved = kernel.forward(frozen([-np.inf, -1e30, 1e30, np.inf], dtype), **options)
    dx = kernel.backward(frozen([1.0, 1.0, 1.0, 1.0], dtype), saved)
    assert y.dtype == dx.dtype == dtype
    assert y[2:].tolist() == [np.float32(1e30) if dtype == "float32" else 1e30, np.inf]
    assert dx[2:].tolist() == [1, 1]
    assert not np.isnan(y).any()
    np.testing.assert_allclose(dx[:2], options.get("slope", 0), rtol=1e-6)


def test_log_softmax_by_hand(backend: Backend) -> None:
    # exp(log n) = n, so the outputs are log 1/6, log 2/6, log 3/6, whatever is added to all.
    kernel = backend.select("log_softmax")
    y, saved = kernel.forward(frozen(np.log([[1.0, 2.0, 3.0]]) + 300))
    np.testing.assert_allclose(y, np.log([[1 / 6, 1 / 3, 1 / 2]]), rtol=1e-12)
    # dy_i / dx_j = delta_ij - softmax_j
    np.testing.assert_allclose(kernel.backward(frozen([[6.0, 0, 0]]), saved), [[5, -2, -3]], rtol=1e-12)


def test_log_softmax_stays_exact_where_softmax_is_zero(backend: Backend) -> None:
    y, _ = backend.select("log_softmax").forward(frozen([[0.0, -1000.0]]))
    assert y.tolist() == [[0, -1000]]
