"""Clipping for training loops of one's own."""

from typing import Any

import numpy as np
import pytest

from lamina import Parameter
from lamina.errors import ArgumentError, NotBuiltError
from lamina.layers import Dense
from lamina.optimizers import clip_global_norm, clip_value


@pytest.fixture(params=["numpy", "reference"])
def layer(request: pytest.FixtureRequest) -> Dense:
    layer = Dense(2)
    layer.build((None, 2), backend=request.param, dtype="float64", seed=0)
    layer.w.grad = [[3.0, 0.0], [0.0, -4.0]]
    layer.b.grad = [12.0, 0.0]
    return layer


def test_the_global_norm_is_brought_to_the_limit_and_the_norm_before_returned(layer: Dense) -> None:
    assert float(clip_global_norm(iter(layer.parameters()), 6.5)) == 13
    assert layer.w.grad.tolist() == [[1.5, 0], [0, -2]]
    assert layer.b.grad.tolist() == [6, 0]
    assert float(clip_global_norm(layer.parameters(), 6.5)) == 6.5
    assert layer.b.grad.tolist() == [6, 0]


def test_a_subset_is_clipped_by_its_own_norm(layer: Dense) -> None:
    assert float(clip_global_norm([layer.w], 1.0)) == 5
    np.testing.assert_allclose(layer.w.grad, [[0.6, 0], [0, -0.8]], rtol=1e-15)
    assert layer.b.grad.tolist() == [12, 0]


def test_elements_are_bounded(layer: Dense) -> None:
    clip_value(layer.parameters(), 3.5)
    assert layer.w.grad.tolist() == [[3, 0], [0, -3.5]]
    assert layer.b.grad.tolist() == [3.5, 0]


@pytest.mark.parametrize("clip", [clip_global_norm, clip_value])
@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), float("inf"), None, "1", True])
def test_a_limit_that_would_spoil_the_gradients_is_refused(layer: Dense, clip: Any, limit: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        clip(layer.parameters(), limit)
    assert str(caught.value) == f"clipping: expected limit to be a number above 0, got {limit!r}"
    assert layer.b.grad.tolist() == [12, 0]


@pytest.mark.parametrize("clip", [clip_global_norm, clip_value])
def test_there_must_be_gradients_to_clip(clip: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^clipping: there are no parameters$"):
        clip([], 1.0)
    with pytest.raises(NotBuiltError):
        clip([Parameter((2,))], 1.0)
