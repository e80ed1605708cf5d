"""Rescaling."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Rescaling


def test_it_scales_then_adds(defaults: Callable[[Any], dict[str, Any]]) -> None:
    assert defaults(Rescaling) == {"scale": 1.0, "offset": 0.0}
    x, dy = np.array([[2.0, -1.0]]), np.array([[1.0, 10.0]])
    for layer, expected, gradient in (
        (Rescaling(3, -1), [[5, -4]], [[3, 30]]),
        (Rescaling(offset=2), [[4, 1]], [[1, 10]]),
        (Rescaling(0), [[0, 0]], [[0, 0]]),
        (Rescaling(), [[2, -1]], [[1, 10]]),
    ):
        layer.build((None, 2), dtype="float64")
        y, saved = layer.forward(x)
        assert (y.tolist(), layer.backward(dy, saved).tolist()) == (expected, gradient)


@pytest.mark.parametrize("value", [float("nan"), "2", True, None, np.ones(2)])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^Rescaling: expected scale to be a number that is finite, got "):
        Rescaling(value)
    with pytest.raises(ArgumentError, match=r"^Rescaling: expected offset to be a number that is finite, got "):
        Rescaling(offset=value)


def test_the_offset_is_not_in_the_padding() -> None:
    layer = Rescaling(2, offset=1)
    layer.build((None, None, 1), dtype="float64")
    assert layer(np.zeros((2, 2, 1)), lengths=[2, 1]).tolist() == [[[1], [1]], [[1], [0]]]
