"""AveragePool1D by hand; what pooling layers share is in framework/test_pooling."""

from typing import Any

import numpy as np
import pytest

from lamina.layers import AveragePool1D

X = np.array([[[3.0], [1.0], [2.0], [4.0], [5.0]]])
X.flags.writeable = False


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(
    ("layer", "y", "dx"),
    [
        (AveragePool1D(2), [2, 3], [0.5, 0.5, 1, 1, 0]),
        (AveragePool1D(2, 1), [2, 1.5, 3, 4.5], [0.5, 1.5, 2.5, 3.5, 2]),
        # Over the edges, the average of the two steps that are there.
        (AveragePool1D(3, 2, "same"), [2, 7 / 3, 4.5], [0.5, 0.5 + 2 / 3, 2 / 3, 2 / 3 + 1.5, 1.5]),
        (AveragePool1D(2, padding="same"), [2, 3, 5], [0.5, 0.5, 1, 1, 3]),
        (AveragePool1D(5), [3], [0.2] * 5),
        (AveragePool1D(2, ceil=True), [2, 3, 5], [0.5, 0.5, 1, 1, 3]),
        (AveragePool1D(2, padding=1), [3, 1.5, 4.5], [1, 1, 1, 1.5, 1.5]),
        (AveragePool1D(2, padding=1, count_padding=True), [1.5, 1.5, 4.5], [0.5, 1, 1, 1.5, 1.5]),
        # The last window is cut: of the padding past the end, one step counts.
        (AveragePool1D(4, 3, (0, 1), ceil=True, count_padding=True), [2.5, 3], [0.25, 0.25, 0.25, 0.25 + 2 / 3, 2 / 3]),
        (AveragePool1D(2, 1, dilation=3), [3.5, 3], [0.5, 1, 0, 0.5, 1]),
    ],
)
def test_by_hand(backend: str, layer: AveragePool1D, y: list, dx: list) -> None:
    layer = AveragePool1D(**layer.config())
    layer.build((None, None, 1), dtype="float64", backend=backend)
    got, saved = layer.forward(X)
    np.testing.assert_allclose(got[0, :, 0], y, rtol=1e-15)
    dy = np.arange(1.0, len(y) + 1).reshape(got.shape)
    np.testing.assert_allclose(layer.backward(dy, saved)[0, :, 0], dx, rtol=1e-15)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # As Keras and PyTorch: windows beside each other, none beyond the ends.
    # What is not there does not count, as with Keras; PyTorch counts it.
    assert defaults(AveragePool1D) == {
        "stride": None,
        "padding": "valid",
        "dilation": 1,
        "ceil": False,
        "count_padding": False,
    }
