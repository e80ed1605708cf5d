"""Activations along an axis: which kernel runs."""

from typing import Any

import numpy as np
import pytest

from lamina import Activation
from lamina.kinds.axis_activation import AxisActivation
from lamina.layers import LogSoftmax, Softmax


@pytest.mark.parametrize("cls", [Softmax, LogSoftmax])
def test_over_the_last_axis_the_kernel_is_the_one_for_it(cls: Any) -> None:
    layer = cls()
    layer.build((None, None, 3))
    assert isinstance(layer, (AxisActivation, Activation))
    assert layer.kernel.name == cls.kernel_name
    layer = cls(axis=1)
    layer.build((None, None, 3))
    assert layer.kernel.name == f"axis_{cls.kernel_name}"


@pytest.mark.parametrize("cls", [Softmax, LogSoftmax])
@pytest.mark.parametrize("shape", [(4, 3), (4, 5, 3), (2, 4, 5, 3)])
def test_any_axis_gives_what_the_last_one_does_once_it_is_there(cls: Any, shape: Any) -> None:
    x = np.random.default_rng(0).standard_normal(shape)
    for axis in range(1, len(shape)):
        layer, last = cls(axis), cls()
        layer.build(shape, dtype="float64")
        turned = np.moveaxis(x, axis, -1)
        last.build(turned.shape, dtype="float64")
        np.testing.assert_allclose(layer(x), np.moveaxis(last(turned), -1, axis), rtol=1e-12)
