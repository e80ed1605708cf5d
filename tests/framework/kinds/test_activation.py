"""What activation layers share."""

from typing import Any

import numpy as np
import pytest

from lamina import Activation
from lamina.layers import ReLU, Sigmoid, Softmax, Tanh


@pytest.mark.parametrize("cls", [ReLU, Sigmoid, Softmax, Tanh])
@pytest.mark.parametrize("shape", [(None, 3), (None, None, 3), (None, 2, 3, 4)])
def test_activations_keep_any_shape_and_have_no_parameters(cls: type[Activation], shape: Any) -> None:
    layer = cls()
    assert layer.build(shape) == shape
    assert (layer.parameter_count, layer.parameters()) == (0, [])
    x = np.ones([2 if size is None else size for size in shape], "float32")
    x.flags.writeable = False
    y, saved = layer.forward(x)
    y.flags.writeable = False
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert layer.backward(y, saved).shape == x.shape
    assert repr(layer) == f"{cls.__name__}()"


def test_an_activation_of_ones_own_names_a_kernel() -> None:
    class Squash(Activation):
        kernel_name = "tanh"

    layer = Squash()
    layer.build((None, 1), dtype="float64")
    y, saved = layer.forward(np.array([[0.5]]))
    assert y.tolist() == [[np.tanh(0.5)]]
    np.testing.assert_allclose(layer.backward(np.array([[2.0]]), saved), [[2 / np.cosh(0.5) ** 2]], rtol=1e-14)
    assert (layer.kernel.name, layer.kernel_options()) == ("tanh", {})
