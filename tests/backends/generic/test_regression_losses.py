"""Kernels of the losses with a target for each output, by loops, on both backends over NumPy."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def frozen(values: Any, dtype: Any = "float64") -> np.ndarray:
    array = np.array(values, dtype)
    array.flags.writeable = False
    return array


PREDICTION = frozen([[1.5, -2.0, 0.25], [np.nan, 0.0, np.inf], [3.0, 1.0, -2.5]])
TARGET = frozen([[1.0, 0.0, 0.75], [0.5, np.nan, 0.5], [0.0, 1.0, 0.25]])
SHARES = frozen([0.5, 0.0, 0.25])
POSITIVE, CLASS = [2.0, 0.5, 1.0], [1.0, 3.0, 0.0]


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def by_loops(term: Callable[[int, float, float], tuple[float, float]]) -> tuple[float, np.ndarray]:
    """Return sum_n r_n mean_c of a term of (c, prediction, target), and its gradient, from the term's slope."""
    loss, gradient = 0.0, np.zeros(PREDICTION.shape)
    for n in (0, 2):
        for c in range(3):
            value, slope = term(c, float(PREDICTION[n, c]), float(TARGET[n, c]))
            loss += SHARES[n] * value / 3
            gradient[n, c] = SHARES[n] * slope / 3
    return loss, gradient


def expect(backend: Backend, name: str, arguments: tuple[Any, ...], expected: tuple[float, np.ndarray]) -> None:
    kernel = backend.select(name)
    loss, saved = kernel.forward(PREDICTION, TARGET, SHARES, *arguments)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(expected[0], rel=1e-14)
    np.testing.assert_allclose(kernel.backward(saved), expected[1], rtol=1e-13, atol=1e-17)


@pytest.mark.parametrize("positive", [None, POSITIVE])
@pytest.mark.parametrize("weights", [None, CLASS])
def test_binary_cross_entropy_by_loops(
    backend: Backend, positive: list[float] | None, weights: list[float] | None
) -> None:
    def term(c: int, z: float, t: float) -> tuple[float, float]:
        p, w, s = (positive or [1.0] * 3)[c], (weights or [1.0] * 3)[c], sigmoid(z)
        return -w * (p * t * math.log(s) + (1 - t) * math.log(1 - s)), w * ((1 - t) * s - p * t * (1 - s))

    arguments = tuple(None if value is None else frozen(value) for value in (positive, weights))
    expect(backend, "binary_cross_entropy", arguments, by_loops(term))


def test_mean_absolute_error_by_loops(backend: Backend) -> None:
    expected = by_loops(lambda c, p, t: (abs(p - t), float(np.sign(p - t))))
    expect(backend, "mean_absolute_error", (), expected)


@pytest.mark.parametrize("delta", [0.5, 1.0, 2.0])
def test_huber_by_loops(backend: Backend, delta: float) -> None:
    def term(c: int, p: float, t: float) -> tuple[float, float]:
        d = p - t
        return (d * d / 2, d) if abs(d) <= delta else (delta * (abs(d) - delta / 2), math.copysign(delta, d))

    expect(backend, "huber", (delta,), by_loops(term))


@pytest.mark.parametrize("epsilon", [1e-8, 2.6])
def test_cosine_similarity_by_loops(backend: Backend, epsilon: float) -> None:
    loss, gradient = 0.0, np.zeros(PREDICTION.shape)
    for n in (0, 2):
        p, t = PREDICTION[n], TARGET[n]
        size, other = math.sqrt(float(p @ p)), math.sqrt(float(t @ t))
        bounded = max(size, epsilon)
        v = t / max(other, epsilon)
        loss += SHARES[n] * (1 - float(p @ v) / bounded)
        # d (p . v / |p|) = v / |p| - (p . v) p / |p|^3; without the second term where the norm is held.
        gradient[n] = -SHARES[n] * (v / bounded - (float(p @ v) * p / size**3 if size > epsilon else 0))
    expect(backend, "cosine_similarity", (epsilon,), (loss, gradient))


def expect_each(backend: Backend, name: str, arguments: tuple[Any, ...], terms: Any, gradient: Any) -> None:
    kernel = backend.select(name)
    each, saved = kernel.forward(*arguments, each=True)
    np.testing.assert_allclose(each, terms, rtol=1e-13)
    np.testing.assert_allclose(kernel.backward(saved), gradient, rtol=1e-12, atol=1e-16)
    loss, saved = kernel.forward(*arguments)
    assert float(loss) == pytest.approx(sum(terms), rel=1e-13)
    np.testing.assert_allclose(kernel.backward(saved), gradient, rtol=1e-12, atol=1e-16)


HALF = frozen([[1.0, -0.5, 0.25, 1.0], [np.nan] * 4, [0.5, 2.0, -1.0, 3.0]])  # of two features, twice
ONE = frozen([[2.0, 0.5], [np.inf, 0.0], [0.0, 1.0]])


def test_gaussian_negative_log_likelihood_by_loops(backend: Backend) -> None:
    terms, gradient = np.zeros(3), np.zeros((3, 4))
    for n in (0, 2):
        for c in range(2):
            distance, e = HALF[n, c] - ONE[n, c], math.exp(HALF[n, 2 + c])
            v = e + 0.25
            terms[n] += SHARES[n] * ((math.log(v) + distance**2 / v) / 2 + 0.125) / 2
            gradient[n, c] = SHARES[n] * distance / v / 2
            gradient[n, 2 + c] = SHARES[n] * (1 / v - distance**2 / v**2) * e / 4
    expect_each(backend, "gaussian_negative_log_likelihood", (HALF, ONE, SHARES, 0.25, 0.125), terms, gradient)


def test_quantile_by_loops(backend: Backend) -> None:
    terms, gradient, quantiles = np.zeros(3), np.zeros((3, 4)), frozen([0.25, 0.75])
    for n in (0, 2):
        for q in range(2):
            for c in range(2):
                d = ONE[n, c] - HALF[n, 2 * q + c]
                terms[n] += SHARES[n] * max(quantiles[q] * d, (quantiles[q] - 1) * d) / 4
                gradient[n, 2 * q + c] = SHARES[n] * (-quantiles[q] if d > 0 else 1 - quantiles[q]) / 4
    expect_each(backend, "quantile", (HALF, ONE, SHARES, quantiles), terms, gradient)


@pytest.mark.parametrize("logarithms", [False, True])
def test_kl_divergence_by_loops(backend: Backend, logarithms: bool) -> None:
    t = frozen([[0.25, 0.5, 0.25], [np.nan] * 3, [0.5, 0.125, 0.375]])
    terms, gradient = np.zeros(3), np.zeros((3, 3))
    for n in (0, 2):
        p = np.exp(PREDICTION[n]) / np.exp(PREDICTION[n]).sum()
        terms[n] = SHARES[n] * sum(t[n, c] * math.log(t[n, c] / p[c]) for c in range(3))
        gradient[n] = SHARES[n] * (p - t[n])
    target = frozen(np.log(t)) if logarithms else t
    expect_each(backend, "kl_divergence", (PREDICTION, target, SHARES, logarithms), terms, gradient)


def test_an_elementwise_loss_by_loops(backend: Backend) -> None:
    terms, gradient = np.zeros(3), np.zeros((3, 3))
    for n in (0, 2):
        for c in range(3):
            terms[n] += SHARES[n] * (PREDICTION[n, c] - TARGET[n, c]) ** 4 / 3
            gradient[n, c] = SHARES[n] * 4 * (PREDICTION[n, c] - TARGET[n, c]) ** 3 / 3

    def value(xp: Any, p: Any, t: Any) -> Any:
        return (p - t) ** 4

    def derivative(xp: Any, p: Any, t: Any) -> Any:
        return 4 * (p - t) ** 3

    expect_each(backend, "elementwise_loss", (PREDICTION, TARGET, SHARES, value, derivative), terms, gradient)
