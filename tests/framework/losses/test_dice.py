"""The soft Dice loss, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, DataError
from lamina.losses import Dice

THIRD = math.log(3)  # of 3/4


def both(prediction: Any, target: Any, loss: Any = None, **settings: Any) -> tuple[float, Any]:
    loss, prediction = loss or Dice(), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved)


def test_it_is_one_less_twice_the_overlap_over_the_sizes() -> None:
    # s = 3/4, 1/4: 1 - (2 * 3/4 + 1) / (1 + 1 + 1); d s = ((2 I + 1) / 3 - 2 t) / 3.
    loss, gradient = both([[THIRD, -THIRD]], [[1, 0]])
    assert loss == pytest.approx(1 - 2.5 / 3)
    np.testing.assert_allclose(gradient, [[3 / 16 * (2.5 / 3 - 2) / 3, 3 / 16 * (2.5 / 3) / 3]])


def test_a_row_is_all_its_steps_and_outputs() -> None:
    logits, target = np.array([[THIRD, -THIRD, 0.0, 0.0]]), np.array([[1, 0, 1, 1]])
    flat = both(logits, target)
    for shape in ((1, 4, 1), (1, 2, 2), (1, 1, 2, 2)):
        loss, gradient = both(logits.reshape(shape), target.reshape(shape))
        assert loss == flat[0]
        assert gradient.ravel().tolist() == flat[1].ravel().tolist()


def test_rows_count_alike_whatever_their_lengths() -> None:
    logits, target = np.full((3, 2, 1), THIRD), np.ones((3, 2, 1))
    target[1] = 0
    short = 1 - (2 * 0.75 + 1) / (0.75 + 1 + 1), 1 - 1 / (1.5 + 1)
    loss, gradient = both(logits, target, lengths=[1, 2, 0])
    assert loss == pytest.approx(sum(short) / 2)
    assert not gradient[0, 1].any() and not gradient[2].any()
    assert Dice().terms(logits, target, [1, 2, 0]) == 2


def test_the_largest_weight_of_its_steps_is_the_rows() -> None:
    logits, target = np.array([[[THIRD], [0.0]], [[0.0], [0.0]]]), np.array([[[1], [0]], [[1], [1]]])
    first = 1 - (2 * 0.75 + 1) / (0.75 + 0.25 + 1 + 1)  # the second step with half of the first's weight
    second = 1 - (2 * 0.5 + 1) / (0.5 + 1 + 1)
    mask = [[4.0, 2.0], [0.0, 1.0]]
    assert both(logits, target, mask=mask)[0] == pytest.approx((4 * first + second) / 5)
    assert Dice().terms(logits, target, mask=mask) == 5


@pytest.mark.filterwarnings("error")
def test_extremes_in_float32() -> None:
    logits = np.array([[1e4, -1e4]], np.float32)
    for target, loss in (([[1, 0]], 0.0), ([[0, 1]], 1 - 1 / 3), ([[0, 0]], 0.5), ([[1, 1]], 1 - 3 / 4)):
        got, gradient = both(logits, target)
        assert got == pytest.approx(loss)
        assert gradient.tolist() == [[0.0, 0.0]]
    assert both(np.array([[-1e4]], np.float32), [[0]])[0] == 0.0  # no event, and none predicted


def test_targets_that_are_no_shares_are_refused_where_they_count() -> None:
    with pytest.raises(DataError, match=r"^Dice: expected targets from 0 to 1, got 3 at index \(1, 0\)$"):
        Dice().forward(np.zeros((2, 1)), [[1], [3]])
    assert Dice()(np.zeros((2, 1)), [[1], [3]], mask=[1, 0]) == pytest.approx(1 - 2 / 2.5)


@pytest.mark.parametrize("smooth", [0, -1.0, math.nan, "1"])
def test_a_smooth_out_of_range_is_refused(smooth: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^Dice: expected smooth to be a number above 0, got "):
        Dice(smooth)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Dice) == {"smooth": 1.0, "reduction": "mean"}
