"""LeakyReLU."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import LeakyReLU


def test_values_and_slopes_by_hand() -> None:
    layer = LeakyReLU(0.5)
    layer.build((None, 4), dtype="float64")
    y, saved = layer.forward(np.array([[-2.0, 0.0, 0.5, np.inf]]))
    assert y.tolist() == [[-1, 0, 0.5, np.inf]]
    assert layer.backward(np.array([[1.0, 2.0, 3.0, 4.0]]), saved).tolist() == [[0.5, 1, 3, 4]]


def test_the_slope_is_a_hundredth_by_default() -> None:
    assert LeakyReLU().slope == 0.01
    assert repr(LeakyReLU(np.float32(0.5))) == "LeakyReLU(slope=0.5)"


@pytest.mark.parametrize("slope", ["0.1", None, float("nan"), float("inf"), True])
def test_a_slope_that_is_no_number_is_refused(slope) -> None:
    with pytest.raises(ArgumentError) as caught:
        LeakyReLU(slope)
    assert str(caught.value) == f"LeakyReLU: expected slope to be a number that is finite, got {slope!r}"


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # The paper's, as in PyTorch (Maas et al., 2013).
    assert defaults(LeakyReLU) == {"slope": 0.01}
