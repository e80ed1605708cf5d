"""Kernels of the losses of classes and of yes or no, by loops, on both backends over NumPy."""

import math
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


LOGITS = frozen([[1.5, -2.0, 0.25], [0.5, 0.0, 4.0], [3.0, 1.0, -2.5]])
LABELS, YES = frozen([0, 2, 2], "int64"), frozen([[1.0, 0.0, 0.75], [0.5, 1.0, 0.5], [0.0, 1.0, 0.25]])
SHARES = frozen([0.5, 0.0, 0.25])
CLASS = frozen([1.0, 3.0, 0.5])


def expect(backend: Backend, name: str, arguments: tuple[Any, ...], terms: list[float], gradient: Any) -> None:
    kernel = backend.select(name)
    loss, saved = kernel.forward(*arguments)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(sum(terms), rel=1e-14)
    np.testing.assert_allclose(kernel.backward(saved), gradient, rtol=1e-12, atol=1e-16)
    each, saved = kernel.forward(*arguments, each=True)
    np.testing.assert_allclose(each, terms, rtol=1e-14)
    np.testing.assert_allclose(kernel.backward(saved), gradient, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("weights", [None, CLASS])
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("every", [False, True])
def test_categorical_hinge_by_loops(backend: Backend, weights: Any, squared: bool, every: bool) -> None:
    terms, gradient = [], np.zeros((3, 3))
    for n in range(3):
        y = int(LABELS[n])
        scale = SHARES[n] * (1 if weights is None else weights[y])
        others = sorted((c for c in range(3) if c != y), key=lambda c: -LOGITS[n, c])
        counted, total = (others, 0.0) if every else (others[:1], 0.0)
        for c in counted:
            excess = max(0.0, 0.5 - LOGITS[n, y] + LOGITS[n, c])
            slope = (2 * excess if squared else float(excess > 0)) * scale / (3 if every else 1)
            total += excess**2 if squared else excess
            gradient[n, c] += slope
            gradient[n, y] -= slope
        terms.append(scale * total / (3 if every else 1))
    expect(backend, "categorical_hinge", (LOGITS, LABELS, SHARES, weights, 0.5, squared, every), terms, gradient)


@pytest.mark.parametrize("weights", [None, CLASS])
@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_binary_focal_cross_entropy_by_loops(backend: Backend, weights: Any, alpha: Any, gamma: float) -> None:
    terms, gradient = [], np.zeros((3, 3))
    yes, no = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    for n in range(3):
        total = 0.0
        for c in range(3):
            scale = SHARES[n] / 3 * (1 if weights is None else weights[c])
            s, t = 1 / (1 + math.exp(-LOGITS[n, c])), YES[n, c]
            total -= scale * (yes * t * (1 - s) ** gamma * math.log(s) + no * (1 - t) * s**gamma * math.log(1 - s))
            # By the product rule, with s' = s (1 - s).
            up = (1 - s) ** gamma * (gamma * s * math.log(s) - (1 - s))
            down = s**gamma * (s - gamma * (1 - s) * math.log(1 - s))
            gradient[n, c] = scale * (yes * t * up + no * (1 - t) * down)
        terms.append(total)
    expect(backend, "binary_focal_cross_entropy", (LOGITS, YES, SHARES, weights, gamma, alpha), terms, gradient)


@pytest.mark.parametrize("weights", [None, CLASS])
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_softmax_focal_cross_entropy_by_loops(backend: Backend, weights: Any, labelled: bool, gamma: float) -> None:
    odds = YES / YES.sum(axis=1, keepdims=True)
    target = LABELS if labelled else frozen(odds)
    terms, gradient = [], np.zeros((3, 3))
    for n in range(3):
        p = np.exp(LOGITS[n]) / np.exp(LOGITS[n]).sum()
        total = 0.0
        for c in range(3):
            q = float(c == LABELS[n]) if labelled else odds[n, c]
            scale = 0.75 * SHARES[n] * q * (1 if weights is None else weights[c])
            total -= scale * (1 - p[c]) ** gamma * math.log(p[c])
            of_p = gamma * (1 - p[c]) ** (gamma - 1) * math.log(p[c]) - (1 - p[c]) ** gamma / p[c]
            for k in range(3):
                gradient[n, k] += scale * of_p * p[c] * (float(c == k) - p[k])
        terms.append(total)
    expect(backend, "softmax_focal_cross_entropy", (LOGITS, target, SHARES, weights, gamma, 0.75), terms, gradient)


def test_dice_by_loops(backend: Backend) -> None:
    inside = frozen([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0], [1.0, 1.0, 0.25]])
    terms, gradient = [], np.zeros((3, 3))
    for n in range(3):
        s = 1 / (1 + np.exp(-LOGITS[n]))
        overlap = 2 * sum(inside[n] * s * YES[n]) + 0.5
        whole = sum(inside[n] * (s + YES[n])) + 0.5
        terms.append(SHARES[n] * (1 - overlap / whole))
        gradient[n] = -SHARES[n] * inside[n] * s * (1 - s) * (2 * YES[n] * whole - overlap) / whole**2
    expect(backend, "dice", (LOGITS, YES, inside, SHARES, 0.5), terms, gradient)
