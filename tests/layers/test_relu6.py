"""ReLU6; its kernel is proven in backends/generic."""

import numpy as np

from lamina.layers import ReLU6


def test_values_and_slopes_by_hand() -> None:
    layer = ReLU6()
    layer.build((None, 5), dtype="float64")
    y, saved = layer.forward(np.array([[-1.0, 0.0, 2.5, 6.0, 7.0]]))
    np.testing.assert_allclose(y, [[0, 0, 2.5, 6, 6]], rtol=1e-14)
    np.testing.assert_allclose(layer.backward(np.full((1, 5), 2.0), saved), [[0, 0, 2, 0, 0]], rtol=1e-14)
    assert layer.parameters() == []
