"""MaxPool1D by hand; what pooling layers share is in framework/test_pooling."""

from typing import Any

import numpy as np
import pytest

from lamina.layers import MaxPool1D

X = np.array([[[3.0], [1.0], [2.0], [4.0], [5.0]]])
X.flags.writeable = False


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(
    ("layer", "y", "dx"),
    [
        (MaxPool1D(2), [3, 4], [1, 0, 0, 2, 0]),
        (MaxPool1D(2, 1), [3, 2, 4, 5], [1, 0, 2, 3, 4]),
        (MaxPool1D(3, 2, "same"), [3, 4, 5], [1, 0, 0, 2, 3]),
        (MaxPool1D(2, padding="same"), [3, 4, 5], [1, 0, 0, 2, 3]),
        (MaxPool1D(5), [5], [0, 0, 0, 0, 1]),
        (MaxPool1D(2, 2, ceil=True), [3, 4, 5], [1, 0, 0, 2, 3]),
        (MaxPool1D(3, 2, (1, 0)), [3, 4], [1, 0, 0, 2, 0]),
        (MaxPool1D(2, 1, dilation=2), [3, 4, 5], [1, 0, 0, 2, 3]),
        (MaxPool1D(2, 1, 1, dilation=6), [0], [0, 0, 0, 0, 0]),  # both steps of the window lie outside
    ],
)
def test_by_hand(backend: str, layer: MaxPool1D, y: list, dx: list) -> None:
    layer = MaxPool1D(**layer.config())
    layer.build((None, None, 1), dtype="float64", backend=backend)
    got, saved = layer.forward(X)
    assert got[0, :, 0].tolist() == y
    assert layer.backward(np.arange(1.0, len(y) + 1).reshape(got.shape), saved)[0, :, 0].tolist() == dx


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # As Keras and PyTorch: windows beside each other, none beyond the ends.
    assert defaults(MaxPool1D) == {"stride": None, "padding": "valid", "dilation": 1, "ceil": False}
