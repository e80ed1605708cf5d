"""Softplus, softsign and mish: right in both tails, and at any size."""

import math
from decimal import Decimal, getcontext
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


def run(backend: Backend, name: str, points: Any, dtype: str = "float64", **options: Any) -> tuple[Any, Any]:
    """Return a kernel's values at some points, and its slopes."""
    kernel = backend.select(name, **options)
    y, saved = kernel.forward(frozen([points], dtype), **options)
    dx = kernel.backward(frozen([[1.0] * len(points)], dtype), saved)
    assert y.dtype == dx.dtype == dtype
    return y[0], dx[0]


getcontext().prec = 60
POINTS = [-1000.0, -700.0, -100.0, -40.0, -3.0, -0.5, -1e-9, 0.0, 1e-9, 0.5, 3.0, 20.0, 40.0, 100.0, 700.0, 1000.0]
BETA = 2.0


def softplus(z: Decimal, beta: Decimal = Decimal(1)) -> Decimal:
    return (1 + (beta * z).exp()).ln() / beta


def sigmoid(z: Decimal) -> Decimal:
    return 1 / (1 + (-z).exp())


def gate(z: Decimal) -> Decimal:
    """tanh(log(1 + exp(z)))."""
    square = (1 + z.exp()) ** 2
    # In 60 digits 1 + exp(-1000) is 1: what is left of it is 2 exp(z).
    return (square - 1) / (square + 1) if z > -100 else z.exp()


CASES: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("softplus", {"beta": 1.0}, lambda z: softplus(z) if z > -100 else z.exp(), sigmoid),
    (
        "softplus",
        {"beta": BETA},
        lambda z: softplus(z, Decimal(2)) if z > -40 else (2 * z).exp() / 2,
        lambda z: sigmoid(2 * z),
    ),
    ("softsign", {}, lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
    ("mish", {}, lambda z: z * gate(z), lambda z: gate(z) + z * (1 - gate(z) ** 2) * sigmoid(z)),
]


@pytest.mark.parametrize(("name", "options", "f", "slope"), CASES)
def test_values_and_slopes_in_sixty_digits(
    backend: Backend, name: str, options: dict[str, Any], f: Any, slope: Any
) -> None:
    """The tolerance is relative, down to where float64 ends: exp(-700) counts as much as 1."""
    y, dx = run(backend, name, POINTS, **options)
    for found, right in ((y, f), (dx, slope)):
        exact = [float(right(Decimal(z))) for z in POINTS]
        np.testing.assert_allclose(found, exact, rtol=3e-13, atol=1e-307)


@pytest.mark.parametrize(("name", "options", "f", "slope"), CASES)
def test_in_float32(backend: Backend, name: str, options: dict[str, Any], f: Any, slope: Any) -> None:
    points = [z for z in POINTS if abs(z) < 80 or abs(z) == 1000]
    y, dx = run(backend, name, points, "float32", **options)
    for found, right in ((y, f), (dx, slope)):
        exact = [float(right(Decimal(float(np.float32(z))))) for z in points]
        np.testing.assert_allclose(found, exact, rtol=3e-6, atol=1e-36)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "options", "y", "dx"),
    [
        ("softplus", {"beta": 1.0}, [0, 0, 1e30, math.inf], [0, 0, 1, 1]),
        ("softplus", {"beta": 10.0}, [0, 0, 1e30, math.inf], [0, 0, 1, 1]),
        ("softsign", {}, [-1, -1, 1, 1], [0, 0, 0, 0]),
        ("mish", {}, [0, 0, 1e30, math.inf], [0, 0, 1, 1]),
    ],
)
def test_huge_and_infinite_numbers(
    backend: Backend, dtype: str, name: str, options: dict[str, Any], y: list[float], dx: list[float]
) -> None:
    found, slopes = run(backend, name, [-math.inf, -3e38, 1e30, math.inf], dtype, **options)
    np.testing.assert_allclose(found, y, rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(slopes, dx, rtol=1e-6, atol=1e-30)


def test_a_number_that_is_none_stays_one(backend: Backend) -> None:
    for name, options, *_ in CASES:
        y, dx = run(backend, name, [math.nan], **options)
        assert np.isnan(y).all()
        assert np.isnan(dx).all()
