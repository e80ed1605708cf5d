"""HardSwish; its kernel is proven in backends/generic."""

import numpy as np

from lamina.layers import HardSwish


def test_values_and_slopes_by_hand() -> None:
    layer = HardSwish()
    layer.build((None, 6), dtype="float64")
    y, saved = layer.forward(np.array([[-4.0, -3.0, 0.0, 1.5, 3.0, 5.0]]))
    np.testing.assert_allclose(y, [[0, 0, 0, 1.125, 3, 5]], rtol=1e-14)
    np.testing.assert_allclose(layer.backward(np.full((1, 6), 2.0), saved), [[0, 0, 1, 2, 2, 2]], rtol=1e-14)
    assert layer.parameters() == []
