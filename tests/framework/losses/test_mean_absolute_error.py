"""Mean absolute error, by hand."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ShapeError
from lamina.losses import MeanAbsoluteError


def both(prediction: Any, target: Any, **settings: Any) -> tuple[float, list]:
    loss, prediction = MeanAbsoluteError(), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved).tolist()


def test_it_is_the_mean_over_features_and_rows() -> None:
    # (|1 - 0| + |2 - 4|) / 2 = 1.5 and (|3 - 3| + |5 - 1|) / 2 = 2; the slope at 0 is 0.
    loss, gradient = both([[1.0, 2.0], [3.0, 5.0]], [[0, 4], [3, 1]])
    assert loss == (1.5 + 2) / 2
    assert gradient == [[0.25, -0.25], [0.0, 0.25]]


def test_steps_past_a_rows_end_do_not_count_whatever_stands_there() -> None:
    loss, gradient = both([[[1.0], [np.nan]], [[-2.0], [3.0]]], [[[0.0], [7.0]], [[0.0], [np.inf]]], lengths=[1, 1])
    assert (loss, gradient) == (1.5, [[[0.5], [0]], [[-0.5], [0]]])


def test_a_mask_weighs() -> None:
    assert both([[2.0], [1.0]], [[0.0], [0.0]], mask=[0.5, 1.5]) == (0.25 * 2 + 0.75 * 1, [[0.25], [0.75]])


def test_targets_of_another_shape_are_refused() -> None:
    with pytest.raises(ShapeError) as caught:
        MeanAbsoluteError().forward(np.zeros((2, 3)), np.zeros(2))
    assert str(caught.value) == "MeanAbsoluteError: expected targets of shape (2, 3), got (2,)"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(MeanAbsoluteError) == {"reduction": "mean"}
