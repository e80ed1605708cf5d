"""Binary cross-entropy, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, DataError, DTypeError, ShapeError
from lamina.losses import BinaryCrossEntropy

LOG, INF, NAN = math.log, math.inf, math.nan
# The sigmoid of log(p / (1 - p)) is p: here 3/4 and 1/5.
LOGITS = np.log([[3.0, 1 / 4]])


def both(prediction: Any, target: Any, settings: Any = None, **forward: Any) -> tuple[float, Any]:
    loss, prediction = BinaryCrossEntropy(**settings or {}), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **forward)
    return float(value), loss.backward(saved)


def expect(got: tuple[float, Any], loss: float, gradient: Any) -> None:
    assert got[0] == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(got[1], gradient, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("target", [[[1, 0]], [[True, False]], np.array([[1, 0]], "uint8"), [[1.0, 0.0]]])
def test_each_output_is_a_yes_or_no_of_its_own(target: Any) -> None:
    expect(both(LOGITS, target), (LOG(4 / 3) + LOG(5 / 4)) / 2, [[-1 / 4 / 2, 1 / 5 / 2]])


def test_targets_may_lie_between() -> None:
    loss = 0.5 * LOG(4 / 3) + 0.5 * LOG(4)
    expect(both(LOGITS[:, :1], [[0.5]]), loss, [[3 / 4 - 0.5]])


def test_a_positive_weight_scales_the_positives_alone() -> None:
    expect(both(LOGITS, [[1, 0]], {"positive_weight": 3}), (3 * LOG(4 / 3) + LOG(5 / 4)) / 2, [[-3 / 4 / 2, 1 / 5 / 2]])
    each = {"positive_weight": [3, 10]}
    expect(both(LOGITS, [[1, 1]], each), (3 * LOG(4 / 3) + 10 * LOG(5)) / 2, [[-3 / 4 / 2, -10 * 4 / 5 / 2]])


def test_class_weights_scale_each_outputs_loss_and_not_the_divisor() -> None:
    weights = {"class_weight": [2, 0]}
    expect(both(LOGITS, [[1, 0]], weights), 2 * LOG(4 / 3) / 2, [[-2 / 4 / 2, 0]])


def test_steps_past_a_rows_end_and_masked_rows_do_not_count_whatever_stands_there() -> None:
    logits = [[LOGITS[0], [NAN, INF]], [[-INF, 1e308], [0.0, 0.0]]]
    target = [[[1, 0], [7, NAN]], [[INF, -1], [0, 0]]]
    expected = np.zeros((2, 2, 2))
    expected[0, 0] = [-1 / 4 / 2, 1 / 5 / 2]
    expect(both(logits, target, lengths=[1, 0]), (LOG(4 / 3) + LOG(5 / 4)) / 2, expected)
    expect(both(logits, target, mask=[[2.0, 0], [0, 0]]), (LOG(4 / 3) + LOG(5 / 4)) / 2, expected)


def test_where_nothing_counts_loss_and_gradient_are_zero() -> None:
    expect(both(LOGITS, [[1, 0]], mask=[0]), 0, [[0, 0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_logits_neither_overflow_nor_vanish(dtype: str) -> None:
    loss, gradient = both(np.array([[1e4, -1e4, 1e4, -1e4]], dtype), [[0, 1, 1, 0]])
    assert loss == 2e4 / 4
    assert gradient.tolist() == [[0.25, -0.25, 0, 0]]


def test_a_small_loss_keeps_its_digits() -> None:
    loss, gradient = both([[-50.0]], [[0]])
    assert loss == pytest.approx(math.exp(-50), rel=1e-14)
    assert gradient[0, 0] == pytest.approx(math.exp(-50), rel=1e-14)


def test_an_infinite_logit_on_the_right_side_costs_nothing() -> None:
    expect(both([[INF, -INF]], [[1, 0]]), 0, [[0, 0]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"positive_weight": -1}, "expected positive_weight to be a number of at least 0, got -1"),
        ({"positive_weight": NAN}, "expected positive_weight to be a number of at least 0, got nan"),
        ({"positive_weight": "3"}, "expected positive_weight to be a number of at least 0, got '3'"),
        ({"positive_weight": [1, -1]}, "expected every positive_weight to be a number of at least 0, got -1"),
        ({"class_weight": [1, INF]}, "expected every class_weight to be a number of at least 0, got inf"),
        ({"class_weight": 2.0}, "expected one class_weight for each output, got 2.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        BinaryCrossEntropy(**settings)
    assert str(caught.value) == f"BinaryCrossEntropy: {message}"


@pytest.mark.parametrize(
    ("settings", "target", "error", "message"),
    [
        ({}, [[1, 2]], DataError, "expected targets from 0 to 1, got 2 at index (0, 1)"),
        ({}, [[-0.5, 1]], DataError, "expected targets from 0 to 1, got -0.5 at index (0, 0)"),
        ({}, [[NAN, 1]], DataError, "expected targets from 0 to 1, got nan at index (0, 0)"),
        ({}, [1], ShapeError, "expected targets of shape (1, 2), got (1,)"),
        ({}, [["a", "b"]], DTypeError, "expected numbers as targets, got an array of <U1"),
        ({"positive_weight": [1]}, [[1, 0]], ShapeError, "expected 2 positive weights, got 1"),
        ({"class_weight": [1, 2, 3]}, [[1, 0]], ShapeError, "expected 2 class weights, got 3"),
    ],
)
def test_targets_that_do_not_fit_are_refused(settings: Any, target: Any, error: Any, message: str) -> None:
    with pytest.raises(error) as caught:
        BinaryCrossEntropy(**settings).forward(LOGITS, target)
    assert str(caught.value) == f"BinaryCrossEntropy: {message}"


def test_it_prints_as_it_was_made() -> None:
    assert repr(BinaryCrossEntropy(2, [1, 2])) == "BinaryCrossEntropy(positive_weight=2.0, class_weight=[1.0, 2.0])"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's, of BCEWithLogitsLoss: no weights.
    assert defaults(BinaryCrossEntropy) == {
        "positive_weight": None,
        "class_weight": None,
        "label_smoothing": 0.0,
        "reduction": "mean",
    }
