"""Mean absolute percentage error, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.losses import MeanAbsolutePercentageError


def both(prediction: Any, target: Any, loss: Any = None) -> tuple[float, list]:
    loss, prediction = loss or MeanAbsolutePercentageError(), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target)
    return float(value), loss.backward(saved).tolist()


def test_it_is_the_difference_in_percent_of_the_target() -> None:
    assert both([[1.0, 5.0], [3.0, -2.0]], [[2.0, 4.0], [3.0, -8.0]]) == (
        (50 + 25 + 0 + 75) / 4,
        [[-50 / 4, 25 / 4], [0.0, 12.5 / 4]],
    )


def test_a_target_counts_as_epsilon_at_least() -> None:
    assert both([[1.0]], [[0.0]], MeanAbsolutePercentageError(0.5)) == (200.0, [[200.0]])
    assert both([[1.0]], [[0.25]], MeanAbsolutePercentageError(0.5)) == (150.0, [[200.0]])


@pytest.mark.parametrize("epsilon", [0, -1.0, math.nan, "1"])
def test_an_epsilon_out_of_range_is_refused(epsilon: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^MeanAbsolutePercentageError: expected epsilon to be a number above 0"):
        MeanAbsolutePercentageError(epsilon)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's.
    assert defaults(MeanAbsolutePercentageError) == {"epsilon": 1e-07, "reduction": "mean"}
