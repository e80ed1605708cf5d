"""CTC kernels against the recursion of the paper, in plain probabilities, on both backends over NumPy."""

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


def by_loops(logits: np.ndarray, labels: list[int], blank: int) -> tuple[float, np.ndarray]:
    """Return -log p(labels) and its gradient, by equations 6 to 16 of Graves et al. (2006)."""
    time = len(logits)
    y = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    path = [blank]
    for label in labels:
        path += [label, blank]
    states = len(path)

    def forwards(y: np.ndarray, path: list[int]) -> np.ndarray:
        alpha = np.zeros((time, states))
        for t in range(time):
            for s in range(states):
                if t == 0:
                    before = 1.0 if s < 2 else 0.0
                else:
                    before = sum(alpha[t - 1, max(s - 1, 0) : s + 1])
                    if s > 1 and path[s] not in (blank, path[s - 2]):
                        before += alpha[t - 1, s - 2]
                alpha[t, s] = before * y[t, path[s]]
        return alpha

    alpha = forwards(y, path)
    beta = forwards(y[::-1], path[::-1])[::-1, ::-1]
    total = sum(alpha[-1, -2:])
    gradient = y.copy()
    for t in range(time):
        for s in range(states):
            gradient[t, path[s]] -= alpha[t, s] * beta[t, s] / (y[t, path[s]] * total)
    return -math.log(total), gradient


@pytest.mark.parametrize("blank", [0, 2, 4])
@pytest.mark.parametrize("ragged", [False, True])
def test_it_equals_the_recursion_of_the_paper(backend: Backend, blank: int, ragged: bool) -> None:
    rng = np.random.default_rng(blank)
    logits = 2 * rng.standard_normal((4, 9, 5))
    labels = [[0, 1, 1], [3], [], [1, 3, 1, 0]]
    labels = [[label + (label >= blank) for label in row] for row in labels]
    lengths = frozen([7, 1, 3, 9], "int64") if ragged else None
    shares = frozen([0.5, 0.25, 1.0, 0.125])
    counts = frozen([len(row) for row in labels], "int64")
    padded = frozen([row + [77] * (5 - len(row)) for row in labels], "int64")
    kernel = backend.select("ctc")
    loss, saved = kernel.forward(frozen(logits), padded, counts, lengths, shares, blank=blank)
    gradient = kernel.backward(saved)
    expected, slopes = 0.0, np.zeros(logits.shape)
    for row in range(4):
        time = 9 if lengths is None else int(lengths[row])
        number, slope = by_loops(logits[row, :time], labels[row], blank)
        expected += shares[row] * number
        slopes[row, :time] = shares[row] * slope
    assert float(loss) == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_what_no_alignment_gives_is_infinite_or_zero(backend: Backend, dtype: str, scale: float) -> None:
    kernel = backend.select("ctc")
    logits = frozen(scale * np.random.default_rng(0).standard_normal((3, 2, 4)), dtype)
    labels, counts = frozen([[1, 1], [1, 2], [3, 0]], "int64"), frozen([2, 2, 1], "int64")
    shares = frozen([1, 0, 0], dtype)
    for zero_infinity, expected in ((False, math.inf), (True, 0.0)):
        loss, saved = kernel.forward(logits, labels, counts, None, shares, zero_infinity=zero_infinity)
        assert (float(loss), loss.dtype) == (expected, dtype)
        assert not kernel.backward(saved).any()
    loss, _ = kernel.forward(logits, labels, counts, None, frozen([0, 0.5, 0.5], dtype))
    assert math.isfinite(float(loss))


def test_a_long_row_of_certain_steps_costs_nothing(backend: Backend) -> None:
    logits = np.full((1, 2000, 3), -1e4, "float32")
    logits[0, ::2, 0] = logits[0, 1::2, 1] = 1e4
    labels = np.ones((1, 1000), "int64")
    kernel = backend.select("ctc")
    loss, saved = kernel.forward(logits, labels, np.array([1000]), None, np.ones(1, "float32"))
    assert float(loss) == 0
    assert not kernel.backward(saved).any()
