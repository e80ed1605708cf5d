"""Tanh."""

import numpy as np

from lamina.layers import Tanh


def test_values_and_slopes_by_hand() -> None:
    layer = Tanh()
    layer.build((None, 3), dtype="float64")
    # tanh(log 2) = (2 - 1/2) / (2 + 1/2)
    y, saved = layer.forward(np.log([[2.0, 0.5, 1.0]]))
    np.testing.assert_allclose(y, [[0.6, -0.6, 0]], rtol=1e-15)
    dx = layer.backward(np.array([[100.0, 100.0, 1.0]]), saved)
    np.testing.assert_allclose(dx, [[64, 64, 1]], rtol=1e-14)
