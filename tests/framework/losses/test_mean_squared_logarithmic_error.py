"""Mean squared logarithmic error, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import DataError
from lamina.losses import MeanSquaredLogarithmicError


def both(prediction: Any, target: Any, **settings: Any) -> tuple[float, Any]:
    loss, prediction = MeanSquaredLogarithmicError(), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved)


def test_it_is_the_squared_difference_of_logarithms() -> None:
    loss, gradient = both([[1.0, 3.0]], [[0.0, 7.0]])
    assert loss == pytest.approx((math.log(2) ** 2 + math.log(2) ** 2) / 2)
    np.testing.assert_allclose(gradient, [[2 * math.log(2) / 2 / 2, -2 * math.log(2) / 4 / 2]])


def test_a_prediction_below_zero_counts_as_zero() -> None:
    loss, gradient = both([[-5.0, 0.0]], [[1.0, 1.0]])
    assert loss == pytest.approx(math.log(2) ** 2)
    np.testing.assert_allclose(gradient, [[0.0, -math.log(2)]])


def test_targets_below_zero_are_refused_where_they_count() -> None:
    with pytest.raises(DataError) as caught:
        both(np.zeros((2, 1)), [[0.0], [-0.5]])
    assert str(caught.value) == "MeanSquaredLogarithmicError: expected targets of 0 or more, got -0.5 at index (1, 0)"
    assert both(np.zeros((2, 1)), [[0.0], [-0.5]], mask=[1, 0])[0] == 0.0


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(MeanSquaredLogarithmicError) == {"reduction": "mean"}
