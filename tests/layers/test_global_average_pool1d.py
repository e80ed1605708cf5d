"""GlobalAveragePool1D by hand; what pooling layers share is in framework/test_pooling."""

import numpy as np
import pytest

from lamina.layers import GlobalAveragePool1D


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_by_hand(backend: str) -> None:
    layer = GlobalAveragePool1D()
    layer.build((None, None, 1), dtype="float64", backend=backend)
    x = np.array([[[-3.0], [1.0], [2.0]], [[7.0], [7.0], [7.0]]])
    y, saved = layer.forward(x, lengths=[2, 0])
    assert y.tolist() == [[-1], [0]]
    assert layer.backward(np.array([[5.0], [6.0]]), saved)[..., 0].tolist() == [[2.5, 2.5, 0], [0, 0, 0]]
