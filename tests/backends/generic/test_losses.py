"""Loss kernels by loops, on both backends over NumPy."""

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


LOGITS = frozen([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [3.0, 1.0, 2.0]])
SHARES = frozen([0.5, 0.0, 0.25])


def cross_entropy(
    logits: np.ndarray, q: np.ndarray, shares: np.ndarray, weights: list[float]
) -> tuple[float, np.ndarray]:
    """Return the loss and its gradient, written as sums over rows and classes."""
    loss, gradient = 0.0, np.zeros(logits.shape)
    rows, classes = logits.shape
    for n in range(rows):
        total = sum(math.exp(logits[n, c]) for c in range(classes))
        p = [math.exp(logits[n, c]) / total for c in range(classes)]
        for c in range(classes):
            loss -= shares[n] * weights[c] * q[n, c] * math.log(p[c])
            for k in range(classes):
                # d -log p_c / d z_k = p_k - [k = c]
                gradient[n, k] += shares[n] * weights[c] * q[n, c] * (p[k] - (k == c))
    return loss, gradient


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 2.0]])
@pytest.mark.parametrize("labelled", [True, False])
def test_softmax_cross_entropy_by_loops(
    backend: Backend, smoothing: float, weights: list[float] | None, labelled: bool
) -> None:
    probabilities = np.eye(3)[[2, 0, 1]] if labelled else np.array([[0.2, 0.3, 0.5], [1, 0, 0], [0.5, 0.5, 0]])
    q = [[(1 - smoothing) * value + smoothing / 3 for value in row] for row in probabilities]
    loss_expected, expected = cross_entropy(LOGITS, np.array(q), SHARES, weights or [1.0] * 3)
    kernel = backend.select(
        "softmax_cross_entropy",
        probabilities=not labelled,
        class_weight=weights is not None,
        smoothing=smoothing > 0,
    )
    target = frozen([2, 0, 1], "int64") if labelled else frozen(probabilities)
    loss, saved = kernel.forward(LOGITS, target, SHARES, None if weights is None else frozen(weights), smoothing)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(loss_expected, rel=1e-13)
    np.testing.assert_allclose(kernel.backward(saved), expected, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_of_huge_logits_is_exact(backend: Backend, dtype: str) -> None:
    kernel = backend.select("softmax_cross_entropy")
    logits = frozen([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype)
    loss, saved = kernel.forward(logits, frozen([1, 1], "int64"), frozen([1.0, 1.0], dtype))
    assert loss.dtype == dtype
    assert float(loss) == pytest.approx(2e4 + math.log(2), rel=1e-7)
    np.testing.assert_allclose(kernel.backward(saved), [[1, -1, 0], [0, -0.5, 0.5]], atol=1e-7)


def test_a_class_ruled_out_by_an_infinite_logit_costs_nothing(backend: Backend) -> None:
    kernel = backend.select("softmax_cross_entropy")
    loss, saved = kernel.forward(frozen([[-np.inf, 0.0, 0.0]]), frozen([1], "int64"), frozen([1.0]))
    assert float(loss) == pytest.approx(math.log(2), rel=1e-15)
    assert kernel.backward(saved).tolist() == [[0, -0.5, 0.5]]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64", "int64"])
def test_labels_of_any_integer_type_work_for_any_number_of_classes(backend: Backend, dtype: str) -> None:
    kernel = backend.select("softmax_cross_entropy")
    loss, saved = kernel.forward(frozen(np.zeros((1, 600))), frozen([7], dtype), frozen([1.0]))
    assert float(loss) == pytest.approx(math.log(600), rel=1e-13)
    expected = np.full((1, 600), 1 / 600)
    expected[0, 7] -= 1
    np.testing.assert_allclose(kernel.backward(saved), expected, rtol=1e-12)


def test_a_row_that_does_not_count_may_have_an_infinite_loss(backend: Backend) -> None:
    kernel = backend.select("softmax_cross_entropy")
    logits = frozen([[-np.inf, 0.0], [0.0, 0.0]])
    with np.errstate(invalid="ignore"):
        loss, _ = kernel.forward(logits, frozen([0, 0], "int64"), frozen([0.0, 1.0]))
    assert float(loss) == pytest.approx(math.log(2), rel=1e-15)


def test_mean_squared_error_by_hand(backend: Backend) -> None:
    kernel = backend.select("mean_squared_error")
    prediction, target = frozen([[1.0, 2.0], [np.nan, 0.0], [3.0, -1.0]]), frozen([[0.0, 4.0], [1.0, 0.0], [3.0, 3.0]])
    loss, saved = kernel.forward(prediction, target, frozen([0.5, 0.0, 0.25]))
    # Rows: (1 + 4) / 2 and (0 + 16) / 2.
    assert float(loss) == 0.5 * 2.5 + 0.25 * 8
    # 2 r (prediction - target) / 2
    assert kernel.backward(saved).tolist() == [[0.5, -1.0], [0.0, 0.0], [0.0, -1.0]]


@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 2.0]])
@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_negative_log_likelihood_by_hand(backend: Backend, weights: list[float] | None, dtype: str) -> None:
    kernel = backend.select("negative_log_likelihood", class_weight=weights is not None)
    rows = frozen([[-1.0, -2.0, -4.0], [-np.inf, np.nan, -1.0], [-8.0, -0.5, -np.inf]])
    target = frozen([2, 0, 1], dtype)
    loss, saved = kernel.forward(rows, target, SHARES, None if weights is None else frozen(weights))
    first, third = (2.0, 1.0) if weights else (1.0, 1.0)
    assert float(loss) == 0.5 * first * 4 + 0.25 * third * 0.5
    assert kernel.backward(saved).tolist() == [[0, 0, -0.5 * first], [0, 0, 0], [0, -0.25 * third, 0]]
