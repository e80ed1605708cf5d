"""The cosine similarity, by hand."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.losses import CosineSimilarity


def both(prediction: Any, target: Any, epsilon: float = 1e-8, **settings: Any) -> tuple[float, np.ndarray]:
    loss, prediction = CosineSimilarity(epsilon), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved)


def test_it_tells_the_angle_and_no_length() -> None:
    assert both([[3.0, 0.0]], [[5, 0]])[0] == 0
    assert both([[3.0, 0.0]], [[0, 5]])[0] == 1
    assert both([[3.0, 0.0]], [[-5, 0]])[0] == 2


def test_the_gradient_turns_the_prediction_towards_the_target() -> None:
    # u = (0.6, 0.8), |p| = 5, v = (1, 0): (cos u - v) / 5 with cos = 0.6.
    loss, gradient = both([[3.0, 4.0]], [[2.0, 0.0]])
    assert loss == pytest.approx(0.4, rel=1e-15)
    np.testing.assert_allclose(gradient, [[(0.36 - 1) / 5, 0.48 / 5]], rtol=1e-14)


def test_a_norm_below_epsilon_counts_as_epsilon() -> None:
    # p / 2 . t / 2, with both norms below 2
    loss, gradient = both([[1.0, 0.0]], [[0.5, 0.5]], epsilon=2.0)
    assert loss == 1 - 0.5 * 0.25
    assert gradient.tolist() == [[-0.125, -0.125]]


def test_rows_of_zeros_cost_one() -> None:
    loss, gradient = both([[0.0, 0.0], [1.0, 2.0]], [[3.0, 4.0], [0.0, 0.0]])
    assert loss == 1
    np.testing.assert_allclose(gradient, [[-0.6e8 / 2, -0.8e8 / 2], [0, 0]])


@pytest.mark.parametrize("scale", [1e-4, 1e25])
def test_neither_huge_nor_small_float32_loses_the_angle(scale: float) -> None:
    prediction = np.array([[3.0, 4.0]], np.float32) * np.float32(scale)
    assert both(prediction, [[3.0, 4.0]])[0] == pytest.approx(0, abs=1e-6)


def test_steps_past_a_rows_end_do_not_count_whatever_stands_there() -> None:
    prediction = [[[1.0, 0.0], [np.nan, np.inf]], [[0.0, 0.0], [1.0, 1.0]]]
    loss, gradient = both(prediction, np.ones((2, 2, 2)), lengths=[1, 0])
    assert loss == pytest.approx(1 - 0.5**0.5, rel=1e-15)
    assert not gradient[0, 1].any()
    assert not gradient[1].any()


@pytest.mark.parametrize("epsilon", [0, -1.0, np.nan, "small"])
def test_an_epsilon_out_of_range_is_refused(epsilon: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        CosineSimilarity(epsilon)
    assert str(caught.value) == f"CosineSimilarity: expected epsilon to be a number above 0, got {epsilon!r}"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's.
    assert defaults(CosineSimilarity) == {"epsilon": 1e-08, "reduction": "mean"}
