"""RMSNorm; its kernel is proven in backends/generic."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, ShapeError
from lamina.layers import RMSNorm


def test_forward_and_backward_by_hand() -> None:
    # The mean square of 1 and 7 is 25, with epsilon 11 it is 36: divided by 6.
    layer = RMSNorm(epsilon=11.0)
    assert layer.build((None, None, 2), dtype="float64") == (None, None, 2)
    layer.scale.data = [6.0, 12.0]
    y, saved = layer.forward(np.array([[[1.0, 7.0]]]))
    np.testing.assert_allclose(y, [[[1, 14]]], rtol=1e-14)
    # dn = (6, 0), mean(dn n) = 1/2: (6 - 1/12, -7/12) / 6.
    dx = layer.backward(np.array([[[1.0, 0.0]]]), saved)
    np.testing.assert_allclose(dx, [[[71 / 72, -7 / 72]]], rtol=1e-14)
    np.testing.assert_allclose(layer.scale.grad, [1 / 6, 0], rtol=1e-14)


def test_the_scale_can_be_left_out() -> None:
    layer = RMSNorm(use_scale=False, epsilon=1e-12)
    layer.build((None, 2), dtype="float64")
    assert layer.parameters() == []
    np.testing.assert_allclose(layer([[-3.0, 3.0]]), [[-1, 1]])


def test_settings_and_shapes_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^RMSNorm: expected epsilon to be a number above 0, got 0$"):
        RMSNorm(epsilon=0)
    with pytest.raises(ShapeError, match=r"^RMSNorm: expected a fixed size of axis 1, got \(batch, \?\)$"):
        RMSNorm().build((None, None))


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, [4, 0, 2]], ids=["full", "ragged"])
def test_each_parameters_gradient_is_its_slope(prove_gradients: Any, lengths: Any, backend: str) -> None:
    layer = RMSNorm()
    layer.build((None, None, 3), backend=backend, dtype="float64")
    prove_gradients(layer, np.random.default_rng(0).standard_normal((3, 4, 3)), lengths=lengths)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's; PyTorch's epsilon is the dtype's, 1.2e-07 of float32.
    assert defaults(RMSNorm) == {"epsilon": 1e-06, "use_scale": True}
