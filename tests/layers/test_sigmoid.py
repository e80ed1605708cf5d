"""Sigmoid."""

import numpy as np

from lamina.layers import Sigmoid


def test_values_and_slopes_by_hand() -> None:
    layer = Sigmoid()
    layer.build((None, 3), dtype="float64")
    # 1 / (1 + 1/3) and 1 / (1 + 3)
    y, saved = layer.forward(np.log([[3.0, 1 / 3, 1.0]]))
    np.testing.assert_allclose(y, [[3 / 4, 1 / 4, 1 / 2]], rtol=1e-15)
    dx = layer.backward(np.array([[16.0, 16.0, 4.0]]), saved)
    np.testing.assert_allclose(dx, [[3, 3, 1]], rtol=1e-14)
