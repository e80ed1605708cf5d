"""The Huber loss, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.losses import Huber


def both(prediction: Any, target: Any, delta: float = 1.0, **settings: Any) -> tuple[float, list]:
    loss, prediction = Huber(delta), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **settings)
    return float(value), loss.backward(saved).tolist()


def test_it_is_squared_up_to_delta_and_linear_past_it() -> None:
    # 0.5^2 / 2 = 0.125 and 1 (3 - 1/2) = 2.5
    assert both([[0.5, -3.0]], [[0, 0]]) == ((0.125 + 2.5) / 2, [[0.25, -0.5]])
    # 2 (3 - 1) = 4; 1.5^2 / 2
    assert both([[3.0, 1.5]], [[0, 0]], delta=2) == ((4 + 1.125) / 2, [[1.0, 0.75]])


def test_at_delta_both_sides_agree() -> None:
    assert both([[2.0]], [[0]], delta=2) == (2.0, [[2.0]])


def test_steps_past_a_rows_end_do_not_count_whatever_stands_there() -> None:
    loss, gradient = both([[[3.0], [np.nan]], [[np.inf], [1.0]]], np.zeros((2, 2, 1)), lengths=[1, 0])
    assert (loss, gradient) == (2.5, [[[1.0], [0]], [[0], [0]]])


@pytest.mark.parametrize("delta", [0, -1.0, math.nan, math.inf, "1", None, True])
def test_a_delta_out_of_range_is_refused(delta: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        Huber(delta)
    assert str(caught.value) == f"Huber: expected delta to be a number above 0, got {delta!r}"


def test_it_prints_as_it_was_made() -> None:
    assert (repr(Huber()), repr(Huber(np.float32(0.5)))) == ("Huber()", "Huber(delta=0.5)")


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's and Keras's.
    assert defaults(Huber) == {"delta": 1.0, "reduction": "mean"}
