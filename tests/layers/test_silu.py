"""SiLU."""

import numpy as np

from lamina.layers import SiLU


def test_values_and_slopes_by_hand() -> None:
    layer = SiLU()
    layer.build((None, 3), dtype="float64")
    # sigmoid(log n) = n / (n + 1)
    x = np.log([[1.0, 3.0, 1 / 3]])
    y, saved = layer.forward(x)
    np.testing.assert_allclose(y, x * [[1 / 2, 3 / 4, 1 / 4]], rtol=1e-15)
    dx = layer.backward(np.array([[2.0, 16.0, 16.0]]), saved)
    np.testing.assert_allclose(dx, [[1, 12 + 3 * np.log(3), 4 - 3 * np.log(3)]], rtol=1e-13)
