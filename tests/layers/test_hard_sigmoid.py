"""HardSigmoid; its kernel is proven in backends/generic."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import HardSigmoid


@pytest.mark.parametrize(
    ("settings", "y", "dx"),
    [
        ({}, [0, 0, 0.25, 0.5, 1, 1], [0, 0, 1 / 3, 1 / 3, 0, 0]),
        ({"slope": 0.2, "offset": 0.5}, [0, 0, 0.2, 0.5, 1, 1], [0, 0, 0.4, 0.4, 0, 0]),
    ],
)
def test_values_and_slopes_by_hand(settings: dict[str, float], y: list[float], dx: list[float]) -> None:
    layer = HardSigmoid(**settings)
    layer.build((None, 6), dtype="float64")
    found, saved = layer.forward(
        np.array([[-np.inf, -3.0, -1.5, 0.0, 3.0, 9.0]])
        if not settings
        else np.array([[-np.inf, -2.5, -1.5, 0.0, 2.5, 9.0]])
    )
    np.testing.assert_allclose(found, [y], rtol=1e-14)
    np.testing.assert_allclose(layer.backward(np.full((1, 6), 2.0), saved), [dx], rtol=1e-14)


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^HardSigmoid: expected slope to be a number above 0, got 0$"):
        HardSigmoid(0)
    with pytest.raises(ArgumentError, match=r"^HardSigmoid: expected offset to be a number that is finite, got inf$"):
        HardSigmoid(offset=float("inf"))


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Those of PyTorch and Keras 3.
    assert defaults(HardSigmoid) == {"slope": 0.16666666666666666, "offset": 0.5}
