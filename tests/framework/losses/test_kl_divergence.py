"""The Kullback-Leibler divergence, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, DataError, ShapeError
from lamina.losses import KLDivergence, SoftmaxCrossEntropy

TARGET = np.array([[0.25, 0.75, 0.0], [0.2, 0.3, 0.5]])


def test_it_is_the_sum_of_shares_times_logarithms_of_ratios() -> None:
    logits = np.log([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]])
    loss = KLDivergence()
    value, saved = loss.forward(logits, TARGET)
    assert float(value) == pytest.approx((0.25 * math.log(0.5) + 0.75 * math.log(3)) / 2)
    assert loss(logits + 5.0, TARGET) == pytest.approx(float(value))  # logits of any sum
    np.testing.assert_allclose(loss.backward(saved), (np.exp(logits) - TARGET) / 2, atol=1e-15)


def test_it_differs_from_cross_entropy_by_what_no_prediction_changes() -> None:
    logits = np.random.default_rng(0).standard_normal((2, 3))
    entropy = -sum(t * math.log(t) for t in TARGET.ravel() if t) / 2
    assert KLDivergence()(logits, TARGET) == pytest.approx(SoftmaxCrossEntropy()(logits, TARGET) - entropy)


def test_targets_may_be_logarithms() -> None:
    logits = np.random.default_rng(1).standard_normal((2, 3))
    with np.errstate(divide="ignore"):
        logarithms = np.log(TARGET)  # one of them infinite
    got, saved = (loss := KLDivergence(log_target=True)).forward(logits, logarithms)
    assert float(got) == pytest.approx(KLDivergence()(logits, TARGET))
    assert np.isfinite(loss.backward(saved)).all()


@pytest.mark.filterwarnings("error")
def test_extremes_in_float32() -> None:
    logits = np.array([[1e4, -1e4, 0.0]], np.float32)
    for target, loss in (([[1.0, 0.0, 0.0]], 0.0), ([[0.0, 1.0, 0.0]], 2e4), ([[0.5, 0.0, 0.5]], 5e3 - math.log(2))):
        divergence = KLDivergence()
        value, saved = divergence.forward(logits, target)
        assert float(value) == pytest.approx(loss)
        np.testing.assert_allclose(divergence.backward(saved), [[1.0, 0.0, 0.0]] - np.array(target))


@pytest.mark.parametrize("log_target", [False, True])
def test_what_is_no_distribution_is_refused_where_it_counts(log_target: bool) -> None:
    target = np.array([[0.5, 0.5], [0.5, 0.25]])
    given = np.log(target) if log_target else target
    loss = KLDivergence(log_target)
    with pytest.raises(DataError) as caught:
        loss.forward(np.zeros((2, 2)), given)
    assert str(caught.value) == (
        "KLDivergence: expected probabilities that sum to 1, got a sum of 0.75 and a smallest of 0.25 at index 1"
    )
    assert loss(np.zeros((2, 2)), given, mask=[1, 0]) == pytest.approx(0.0, abs=1e-15)
    with pytest.raises(ShapeError, match=r"expected targets of shape \(2, 2\), got \(2,\)"):
        loss.forward(np.zeros((2, 2)), [0, 1])


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^KLDivergence: expected log_target to be True or False, got 'log'$"):
        KLDivergence("log")  # type: ignore[arg-type]


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(KLDivergence) == {"log_target": False, "reduction": "mean"}
