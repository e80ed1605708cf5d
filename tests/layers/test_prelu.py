"""PReLU; its kernel is proven in backends/generic."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ShapeError
from lamina.layers import PReLU


def test_forward_and_backward_by_hand() -> None:
    layer = PReLU()
    assert layer.build((None, None, 2), dtype="float64") == (None, None, 2)
    assert layer.slope.data.tolist() == [0.25, 0.25]
    layer.slope.data = [0.5, -2.0]
    y, saved = layer.forward(np.array([[[-4.0, -3.0], [0.0, 5.0]]]))
    assert y.tolist() == [[[-2, 6], [0, 5]]]
    dx = layer.backward(np.array([[[1.0, 10.0], [100.0, 1000.0]]]), saved)
    assert dx.tolist() == [[[0.5, -20], [50, 1000]]]
    assert layer.slope.grad.tolist() == [-4, -30]


def test_one_slope_may_be_shared() -> None:
    layer = PReLU(shared=True, slope_initializer=0.5)
    layer.build((None, 2), dtype="float64")
    y, saved = layer.forward(np.array([[-4.0, -3.0]]))
    assert (layer.slope.shape, y.tolist()) == ((1,), [[-2, -1.5]])
    layer.backward(np.array([[1.0, 10.0]]), saved)
    assert layer.slope.grad.tolist() == [-34]


def test_features_must_be_known() -> None:
    with pytest.raises(ShapeError, match=r"^PReLU: expected a fixed size of axis 1, got \(batch, \?\)$"):
        PReLU().build((None, None))


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, [4, 0, 2]], ids=["full", "ragged"])
@pytest.mark.parametrize("shared", [False, True])
def test_each_parameters_gradient_is_its_slope(prove_gradients: Any, shared: bool, lengths: Any, backend: str) -> None:
    layer = PReLU(shared=shared)
    layer.build((None, None, 3), backend=backend, dtype="float64")
    prove_gradients(layer, np.random.default_rng(0).standard_normal((3, 4, 3)), lengths=lengths)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # 0.25 is the paper's, and PyTorch's.
    assert defaults(PReLU) == {"shared": False, "slope_initializer": 0.25}
