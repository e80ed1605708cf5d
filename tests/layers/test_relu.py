"""ReLU."""

import numpy as np

from lamina.layers import ReLU


def test_negative_values_are_cut_and_pass_no_gradient() -> None:
    layer = ReLU()
    layer.build((None, 4), dtype="float64")
    y, saved = layer.forward(np.array([[-2.0, 0.0, 0.5, np.inf]]))
    assert y.tolist() == [[0, 0, 0.5, np.inf]]
    assert layer.backward(np.array([[1.0, 2.0, 3.0, 4.0]]), saved).tolist() == [[0, 0, 3, 4]]
