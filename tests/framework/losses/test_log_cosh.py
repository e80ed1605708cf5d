"""The logarithm of the hyperbolic cosine, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.losses import LogCosh


def both(prediction: Any, target: Any) -> tuple[float, Any]:
    loss, prediction = LogCosh(), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target)
    return float(value), loss.backward(saved)


def test_it_is_the_logarithm_of_the_cosine() -> None:
    loss, gradient = both([[1.5, -0.5]], [[0.0, 0.25]])
    assert loss == pytest.approx((math.log(math.cosh(1.5)) + math.log(math.cosh(0.75))) / 2)
    np.testing.assert_allclose(gradient, [[math.tanh(1.5) / 2, -math.tanh(0.75) / 2]])


@pytest.mark.filterwarnings("error")
def test_no_digit_is_lost_near_zero_and_nothing_overflows_far_from_it() -> None:
    for size in (1e-18, 1e-8, 1e-4):
        assert both([[size]], [[0.0]])[0] == pytest.approx(size * size / 2, rel=1e-7)
    for d in (0.999, 1.0, 1.001):  # where the form changes
        assert both([[d]], [[0.0]])[0] == pytest.approx(math.log(math.cosh(d)), rel=1e-14)
    for dtype in (np.float32, np.float64):
        loss, gradient = both(np.array([[1e4, -1e30]], dtype), [[0.0, 0.0]])
        assert loss == pytest.approx((1e4 - math.log(2) + 1e30) / 2)
        assert gradient.tolist() == [[0.5, -0.5]]


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(LogCosh) == {"reduction": "mean"}
