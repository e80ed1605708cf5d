"""The focal loss of yes or no, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, DataError, ShapeError
from lamina.losses import BinaryCrossEntropy, BinaryFocalCrossEntropy

LOGIT = math.log(3)  # of 3/4


def both(loss: Any, prediction: Any, target: Any, **settings: Any) -> tuple[float, Any]:
    prediction = np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved)


def test_what_is_well_predicted_counts_less() -> None:
    loss, _ = both(BinaryFocalCrossEntropy(gamma=2), [[LOGIT], [LOGIT]], [[1], [0]])
    assert loss == pytest.approx((math.log(4 / 3) / 16 + 9 / 16 * math.log(4)) / 2)


def test_alpha_weighs_a_yes_and_the_rest_a_no() -> None:
    loss, _ = both(BinaryFocalCrossEntropy(1.0, alpha=0.25), [[LOGIT], [LOGIT]], [[1], [0]])
    assert loss == pytest.approx((0.25 * math.log(4 / 3) / 4 + 0.75 * 3 / 4 * math.log(4)) / 2)


def test_with_a_gamma_of_zero_it_is_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    logits, shares, weights = 3 * rng.standard_normal((5, 3)), rng.random((5, 3)), [1.0, 2.0, 0.5]
    got = both(BinaryFocalCrossEntropy(0, class_weight=weights), logits, shares)
    expected = both(BinaryCrossEntropy(class_weight=weights), logits, shares)
    assert got[0] == pytest.approx(expected[0])
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("gamma", [0, 0.5, 2])
def test_extremes_in_float32(gamma: float) -> None:
    logits = np.array([[1e4], [-1e4]], np.float32)
    right = both(BinaryFocalCrossEntropy(gamma), logits, [[1], [0]])
    assert (right[0], right[1].tolist()) == (0.0, [[0.0], [0.0]])
    wrong = both(BinaryFocalCrossEntropy(gamma), logits, [[0], [1]])
    assert (wrong[0], wrong[1].tolist()) == (1e4, [[0.5], [-0.5]])


def test_targets_and_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"expected targets from 0 to 1, got 2 at index \(0, 1\)"):
        BinaryFocalCrossEntropy().forward(np.zeros((1, 2)), [[1, 2]])
    with pytest.raises(ShapeError, match="expected 2 class weights, got 1"):
        BinaryFocalCrossEntropy(class_weight=[1.0]).forward(np.zeros((1, 2)), [[1, 0]])


@pytest.mark.parametrize("settings", [{"gamma": -1}, {"gamma": None}, {"alpha": 1.5}, {"alpha": [0.5]}])
def test_settings_out_of_range_are_refused(settings: Any) -> None:
    (name,) = settings
    with pytest.raises(ArgumentError, match=f"^BinaryFocalCrossEntropy: expected {name} to be a number "):
        BinaryFocalCrossEntropy(**settings)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # The paper's gamma, which is Keras's.
    assert defaults(BinaryFocalCrossEntropy) == {
        "gamma": 2.0,
        "alpha": None,
        "class_weight": None,
        "reduction": "mean",
    }
