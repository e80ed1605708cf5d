"""Mish; its kernel is proven in backends/generic."""

import numpy as np

from lamina.layers import Mish


def test_values_and_slopes_by_hand() -> None:
    layer = Mish()
    layer.build((None, 2), dtype="float64")
    # tanh(log(1 + exp(x))) is 3/5 at 0 and, as exp(log 3) is 3, 15/17 at log 3.
    y, saved = layer.forward(np.array([[0.0, np.log(3)]]))
    np.testing.assert_allclose(y, [[0, np.log(3) * 15 / 17]], rtol=1e-14)
    slope = 15 / 17 + np.log(3) * (1 - (15 / 17) ** 2) * 3 / 4
    np.testing.assert_allclose(layer.backward(np.full((1, 2), 2.0), saved), [[1.2, 2 * slope]], rtol=1e-14)
    assert layer.parameters() == []
