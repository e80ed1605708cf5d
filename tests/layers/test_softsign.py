"""Softsign; its kernel is proven in backends/generic."""

import numpy as np

from lamina.layers import Softsign


def test_values_and_slopes_by_hand() -> None:
    layer = Softsign()
    layer.build((None, 3), dtype="float64")
    y, saved = layer.forward(np.array([[-3.0, 0.0, 1.0]]))
    np.testing.assert_allclose(y, [[-0.75, 0, 0.5]], rtol=1e-14)
    np.testing.assert_allclose(layer.backward(np.full((1, 3), 2.0), saved), [[0.125, 2, 0.5]], rtol=1e-14)
    assert layer.parameters() == []
