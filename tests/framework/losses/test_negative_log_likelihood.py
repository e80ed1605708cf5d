"""The negative log-likelihood, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, DataError, DTypeError, ShapeError
from lamina.losses import NegativeLogLikelihood, SoftmaxCrossEntropy

LOG, INF, NAN = math.log, math.inf, math.nan
ROWS = np.log([[1 / 4, 3 / 4], [1 / 2, 1 / 2]])


def both(prediction: Any, target: Any, settings: Any = None, **forward: Any) -> tuple[float, Any]:
    loss, prediction = NegativeLogLikelihood(**settings or {}), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **forward)
    return float(value), loss.backward(saved)


def expect(got: tuple[float, Any], loss: float, gradient: Any) -> None:
    assert got[0] == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(got[1], gradient, rtol=1e-14)


@pytest.mark.parametrize("target", [[0, 1], np.array([0, 1], "uint8"), np.array([0, 1], "uint64")])
def test_it_takes_the_labels_log_probability(target: Any) -> None:
    expect(both(ROWS, target), (LOG(4) + LOG(2)) / 2, [[-0.5, 0], [0, -0.5]])


def test_the_divisor_counts_steps_and_no_class_weights() -> None:
    expect(both(ROWS, [0, 1], {"class_weight": [2, 10]}), (2 * LOG(4) + 10 * LOG(2)) / 2, [[-1, 0], [0, -5]])


def test_ignored_labels_padding_and_masked_steps_do_not_count_whatever_stands_there() -> None:
    for ignored in (-1, -100, 7, 1):
        expect(both([ROWS[0], [NAN, INF]], [0, ignored], {"ignore_index": ignored}), LOG(4), [[-1, 0], [0, 0]])
    expect(both([[ROWS[0], [NAN, INF]]], [[0, -9]], lengths=[1]), LOG(4), [[[-1, 0], [0, 0]]])
    expect(both([ROWS[0], [NAN, INF]], [0, 99], mask=[3, 0]), LOG(4), [[-1, 0], [0, 0]])


def test_where_nothing_counts_loss_and_gradient_are_zero() -> None:
    expect(both(ROWS, [-1, -1], {"ignore_index": -1}), 0, np.zeros((2, 2)))
    expect(both(ROWS, [0, 0], mask=[0, 0]), 0, np.zeros((2, 2)))


def test_a_class_ruled_out_costs_nothing_where_it_is_no_target() -> None:
    expect(both([[-INF, 0.0]], [1]), 0, [[0, -1]])
    assert both([[-INF, 0.0]], [0])[0] == INF


def test_it_is_the_softmax_cross_entropy_of_a_log_softmax() -> None:
    logits, labels = np.random.default_rng(0).standard_normal((6, 4)), [0, 1, 2, 3, -1, 0]
    log_probability = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    settings: Any = {"ignore_index": -1, "class_weight": [1, 2, 3, 4]}
    number, _ = both(log_probability, labels, settings)
    assert number == pytest.approx(SoftmaxCrossEntropy(**settings)(logits, labels), rel=1e-14)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ignore_index": 1.5}, "expected ignore_index to be a whole number, got 1.5"),
        ({"ignore_index": True}, "expected ignore_index to be a whole number, got True"),
        ({"class_weight": [1, -1]}, "expected every class_weight to be a number of at least 0, got -1"),
        ({"class_weight": {0: 1.0}}, "expected one class_weight for each class, got {0: 1.0}"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        NegativeLogLikelihood(**settings)
    assert str(caught.value) == f"NegativeLogLikelihood: {message}"


@pytest.mark.parametrize(
    ("settings", "prediction", "target", "error", "message"),
    [
        ({}, ROWS, [0, 2], DataError, "expected labels from 0 to 1, got 2 at index 1"),
        ({}, ROWS[None], [[0, -1]], DataError, "expected labels from 0 to 1, got -1 at index (0, 1)"),
        ({}, ROWS, [0.0, 1.0], DTypeError, "expected integer labels, got an array of float64"),
        ({}, ROWS, [0], ShapeError, "expected labels of shape (2,), got (1,)"),
        ({}, ROWS, [[1, 0], [0, 1]], ShapeError, "expected labels of shape (2,), got (2, 2)"),
        ({}, np.zeros(2), [0], ShapeError, "expected log-probabilities (batch, classes), got (2,)"),
        ({"class_weight": [1]}, ROWS, [0, 1], ShapeError, "expected 2 class weights, got 1"),
    ],
)
def test_targets_that_do_not_fit_are_refused(
    settings: Any, prediction: Any, target: Any, error: Any, message: str
) -> None:
    with pytest.raises(error) as caught:
        NegativeLogLikelihood(**settings).forward(prediction, target)
    assert str(caught.value) == f"NegativeLogLikelihood: {message}"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Every label counts, and all the same.
    assert defaults(NegativeLogLikelihood) == {"ignore_index": None, "class_weight": None, "reduction": "mean"}
