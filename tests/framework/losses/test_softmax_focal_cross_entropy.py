"""The focal loss of several classes, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, DataError, ShapeError
from lamina.losses import SoftmaxCrossEntropy, SoftmaxFocalCrossEntropy

ROWS = np.log([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]])


def both(loss: Any, prediction: Any, target: Any, **settings: Any) -> tuple[float, Any]:
    prediction = np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved)


def test_what_is_well_predicted_counts_less() -> None:
    wanted = 0.25 * math.log(2), 0.0625 * math.log(4 / 3)
    assert both(SoftmaxFocalCrossEntropy(), ROWS, [0, 2])[0] == pytest.approx(sum(wanted) / 2)
    one_for_all = both(SoftmaxFocalCrossEntropy(alpha=0.25), ROWS, [0, 2])[0]
    assert one_for_all == pytest.approx(0.25 * sum(wanted) / 2)
    one_for_each = both(SoftmaxFocalCrossEntropy(alpha=[3.0, 1.0, 0.5]), ROWS, [0, 2])[0]
    assert one_for_each == pytest.approx((3 * wanted[0] + wanted[1] / 2) / 2)


@pytest.mark.parametrize("probabilities", [False, True])
def test_with_a_gamma_of_zero_it_is_cross_entropy(probabilities: bool) -> None:
    rng = np.random.default_rng(0)
    logits = 3 * rng.standard_normal((5, 3))
    target = rng.dirichlet(np.ones(3), 5) if probabilities else rng.integers(0, 3, 5)
    got = both(SoftmaxFocalCrossEntropy(0, [1.0, 2.0, 3.0]), logits, target)
    expected = both(SoftmaxCrossEntropy(class_weight=[1.0, 2.0, 3.0]), logits, target)
    assert got[0] == pytest.approx(expected[0])
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-10, atol=1e-15)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2])
def test_extremes_in_float32(gamma: float) -> None:
    logits = np.array([[1e4, -1e4, 0.0]], np.float32)
    right = both(SoftmaxFocalCrossEntropy(gamma), logits, [0])
    assert (right[0], right[1].tolist()) == (0.0, [[0.0, 0.0, 0.0]])
    wrong = both(SoftmaxFocalCrossEntropy(gamma), logits, [1])
    assert (wrong[0], wrong[1].tolist()) == (2e4, [[1.0, -1.0, 0.0]])


def test_ignored_labels_do_not_count() -> None:
    loss = SoftmaxFocalCrossEntropy(ignore_index=-1)
    assert both(loss, [ROWS[0], [math.nan] * 3], [0, -1])[0] == pytest.approx(0.25 * math.log(2))


def test_targets_and_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"expected probabilities that sum to 1, got a sum of 0.75"):
        SoftmaxFocalCrossEntropy().forward(ROWS[:1], [[0.5, 0.25, 0.0]])
    with pytest.raises(ShapeError, match="expected 3 class weights, got 2"):
        SoftmaxFocalCrossEntropy(alpha=[1.0, 2.0]).forward(ROWS, [0, 1])


@pytest.mark.parametrize("settings", [{"gamma": -1}, {"alpha": -0.5}, {"alpha": [1, -1]}, {"alpha": {"a": 1}}])
def test_settings_out_of_range_are_refused(settings: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^SoftmaxFocalCrossEntropy: expected "):
        SoftmaxFocalCrossEntropy(**settings)


def test_it_prints_as_it_was_made() -> None:
    assert repr(SoftmaxFocalCrossEntropy(1, [1, 2])) == "SoftmaxFocalCrossEntropy(gamma=1.0, alpha=[1.0, 2.0])"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # The paper's gamma, which is Keras's.
    assert defaults(SoftmaxFocalCrossEntropy) == {
        "gamma": 2.0,
        "alpha": None,
        "ignore_index": None,
        "reduction": "mean",
    }
