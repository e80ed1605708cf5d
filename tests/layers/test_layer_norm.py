"""LayerNorm; its kernel is proven in backends/test_normalization."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, ShapeError
from lamina.layers import LayerNorm


def test_forward_and_backward_by_hand() -> None:
    layer = LayerNorm(epsilon=9.0)
    assert layer.build((None, None, 2), dtype="float64") == (None, None, 2)
    layer.scale.data, layer.shift.data = [5.0, 10.0], [1.0, 2.0]
    y, saved = layer.forward(np.array([[[0.0, 8.0]]]))
    assert y.tolist() == [[[-3, 10]]]
    np.testing.assert_allclose(layer.backward(np.array([[[1.0, 0.0]]]), saved), [[[0.18, -0.18]]], rtol=1e-14)
    np.testing.assert_allclose(layer.scale.grad, [-0.8, 0], rtol=1e-15)
    assert layer.shift.grad.tolist() == [1, 0]


def test_scale_and_shift_can_be_left_out() -> None:
    for settings, names in (({"use_scale": False}, ["shift"]), ({"use_shift": False}, ["scale"])):
        layer = LayerNorm(**settings)
        layer.build((None, 3))
        assert list(layer.named_parameters()) == names
    layer = LayerNorm()
    layer.build((None, 3))
    assert (layer.scale.data.tolist(), layer.shift.data.tolist()) == ([1] * 3, [0] * 3)


def test_settings_and_shapes_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^LayerNorm: expected epsilon to be a number above 0, got 0$"):
        LayerNorm(epsilon=0)
    with pytest.raises(ShapeError, match=r"^LayerNorm: expected a fixed size of axis 1, got \(batch, \?\)$"):
        LayerNorm().build((None, None))


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, [4, 0, 2]], ids=["full", "ragged"])
@pytest.mark.parametrize("settings", [{}, {"use_scale": False}, {"use_shift": False}], ids=str)
def test_each_parameters_gradient_is_its_slope(prove_gradients: Any, settings: Any, lengths: Any, backend: str) -> None:
    layer = LayerNorm(**settings)
    layer.build((None, None, 3), backend=backend, dtype="float64")
    prove_gradients(layer, np.random.default_rng(0).standard_normal((3, 4, 3)), lengths=lengths)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's.
    assert defaults(LayerNorm) == {"epsilon": 1e-05, "use_scale": True, "use_shift": True}
