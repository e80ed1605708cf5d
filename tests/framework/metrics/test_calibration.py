"""Calibration error against its formula, bin by bin, and the Brier score against scikit-learn."""

import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError
from lamina.metrics import BrierScore, ExpectedCalibrationError
from lamina.testing import register_strict_backend

ALL = (ExpectedCalibrationError, BrierScore)


@pytest.fixture(params=["numpy", "reference", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    return register_strict_backend() if "strict" in request.param else lamina.get_backend(request.param)


def streamed(metric: Any, backend: lamina.Backend, size: int, *arrays: Any) -> Any:
    metric.reset()
    for start in range(0, len(arrays[0]), size):
        x, y, lengths, weight = (None if one is None else one[start : start + size] for one in arrays)
        given = None if weight is None else backend.asarray(weight)
        metric.update(backend.asarray(x), backend.asarray(y), lengths, backend, given)
    return metric.result()


def formula(sure: Any, right: Any, weight: Any, bins: int) -> float:
    total = 0.0
    for one in range(bins):
        rows = [n for n in range(len(sure)) if one / bins < sure[n] <= (one + 1) / bins or (one == 0 and sure[n] == 0)]
        if mass := sum(weight[n] for n in rows):
            accuracy = sum(weight[n] * right[n] for n in rows) / mass
            confidence = sum(weight[n] * sure[n] for n in rows) / mass
            total += mass / weight.sum() * abs(accuracy - confidence)
    return total


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def weights(rng: Any, rows: int) -> list[Any]:
    return [None, rng.random(rows) * (rng.random(rows) > 0.2), rng.integers(0, 3, rows).astype(float)]


@pytest.mark.parametrize("bins", [1, 5, 15])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("from_logits", [True, False])
def test_the_calibration_error_of_classes(backend: lamina.Backend, bins: int, classes: int, from_logits: bool) -> None:
    rng = np.random.default_rng(bins)
    logits, labels = rng.standard_normal((50, classes)) * 2, rng.integers(0, classes, 50)
    likely = softmax(logits)
    for weight in weights(rng, 50):
        right = likely.argmax(1) == labels
        expected = formula(likely.max(1), right, np.ones(50) if weight is None else weight, bins)
        metric = ExpectedCalibrationError(bins, from_logits)
        found = streamed(metric, backend, 13, logits if from_logits else likely, labels, None, weight)
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("from_logits", [True, False])
def test_the_calibration_error_of_yes_and_no(backend: lamina.Backend, from_logits: bool) -> None:
    rng = np.random.default_rng(0)
    logits, target = rng.standard_normal((50, 1)) * 2, rng.integers(0, 2, (50, 1))
    likely = 1 / (1 + np.exp(-logits))
    for weight in weights(rng, 50):
        expected = formula(likely[:, 0], target[:, 0], np.ones(50) if weight is None else weight, 15)
        metric = ExpectedCalibrationError(from_logits=from_logits)
        found = streamed(metric, backend, 13, logits if from_logits else likely, target, None, weight)
        assert found == pytest.approx(expected, rel=1e-12)


def test_bins_hold_their_upper_edge(backend: lamina.Backend) -> None:
    likely, target = np.array([[0.0], [0.2], [0.4], [0.6], [1.0]]), np.array([[1], [0], [1], [0], [1]])
    found = streamed(ExpectedCalibrationError(5, from_logits=False), backend, 5, likely, target, None, None)
    # 0 and 0.2 stand in the first bin: a mean of 0.1, and half of them yes; the others in one each.
    assert found == pytest.approx((2 * 0.4 + 0.6 + 0.6 + 0.0) / 5, rel=1e-12)


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("given", ["one", "two", "four"])
def test_the_brier_score_equals_scikit_learns(backend: lamina.Backend, from_logits: bool, given: str) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    classes = {"one": 1, "two": 2, "four": 4}[given]
    logits, labels = rng.standard_normal((40, classes)), rng.integers(0, max(classes, 2), 40)
    likely = 1 / (1 + np.exp(-logits)) if classes == 1 else softmax(logits)
    for weight in weights(rng, 40):
        if classes == 4:  # of several classes scikit-learn has it of late alone
            cost = ((likely - np.eye(4)[labels]) ** 2).sum(1)
            expected = np.average(cost, weights=weight)
        else:
            expected = sklearn.brier_score_loss(labels, likely[:, -1], sample_weight=weight)
        target = labels[:, None] if classes == 1 else labels
        found = streamed(BrierScore(from_logits), backend, 9, logits if from_logits else likely, target, None, weight)
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("outputs", [1, 3])
def test_steps_count_up_to_the_rows_end(backend: lamina.Backend, cls: Any, outputs: int) -> None:
    rng = np.random.default_rng(2)
    logits, lengths = rng.standard_normal((5, 6, outputs)), np.array([6, 0, 2, 5, 1])
    target = rng.integers(0, 2, (5, 6, 1)) if outputs == 1 else rng.integers(0, 3, (5, 6))
    valid = np.arange(6) < lengths[:, None]
    weight = rng.integers(0, 3, (5, 6)).astype(float)
    logits[~valid], metric = math.nan, cls()
    plain = metric(logits[valid], target[valid])
    assert streamed(metric, backend, 2, logits, target, lengths, None) == pytest.approx(plain, rel=1e-12)
    weighed = metric(logits[valid], target[valid], sample_weight=weight[valid])
    assert streamed(metric, backend, 2, logits, target, lengths, weight) == pytest.approx(weighed, rel=1e-12)
    assert plain != pytest.approx(weighed, rel=1e-6)


@pytest.mark.parametrize("cls", ALL)
def test_large_logits_are_certain_and_nan_is_nan(backend: lamina.Backend, cls: Any) -> None:
    logits, target = np.array([[800.0], [-800.0]]), np.array([[1], [0]])
    assert streamed(cls(), backend, 2, logits, target, None, None) == 0
    assert streamed(cls(), backend, 2, logits, 1 - target, None, None) == 1
    logits[0] = math.nan
    assert math.isnan(streamed(cls(), backend, 2, logits, target, None, None))
    assert streamed(cls(), backend, 2, logits, target, None, np.array([0.0, 1])) == 0
    assert math.isnan(streamed(cls(), backend, 2, logits, target, None, np.zeros(2)))
    assert math.isnan(cls().result())


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^ExpectedCalibrationError: expected bins to be a whole number of 1 or "):
        ExpectedCalibrationError(0)
    for cls in ALL:
        with pytest.raises(
            ArgumentError, match=rf"^{cls.__name__}: expected from_logits to be True or False, got 'no'$"
        ):
            cls(from_logits="no")


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # As many bins as in Guo et al., 2017.
    assert defaults(ExpectedCalibrationError) == {"bins": 15, "from_logits": True, "ignore_index": None}
    assert defaults(BrierScore) == {"from_logits": True, "ignore_index": None}
