"""GroupNorm; its kernel is proven in backends/generic."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.layers import GroupNorm, LayerNorm

X = np.random.default_rng(0).standard_normal((3, 4, 4))


def test_forward_and_backward_by_hand() -> None:
    layer = GroupNorm(2, epsilon=9.0)
    assert layer.build((None, None, 2), dtype="float64") == (None, None, 2)
    layer.scale.data, layer.shift.data = [5.0, 10.0], [1.0, 2.0]
    # Each feature is a group. Of the two valid steps: mean 4, variance 16 + 9, and mean 5, variance 0 + 9.
    y, saved = layer.forward(np.array([[[0.0, 5.0], [8.0, 5.0], [99.0, 99.0]]]), lengths=np.array([2]))
    np.testing.assert_allclose(y, [[[-3, 2], [5, 2], [0, 0]]], rtol=1e-14)
    # As LayerNorm of (0, 8): dn = (5, 0), its mean 2.5, mean(dn n) = -2.
    dx = layer.backward(np.array([[[1.0, 0.0], [0.0, 0.0], [7.0, 7.0]]]), saved)
    np.testing.assert_allclose(dx, [[[0.18, 0], [-0.18, 0], [0, 0]]], rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(layer.scale.grad, [-0.8, 0], rtol=1e-14)
    np.testing.assert_allclose(layer.shift.grad, [1, 0], rtol=1e-14)


def test_one_group_is_a_layer_norm_of_the_whole_row() -> None:
    one, whole = (
        GroupNorm(1, use_scale=False, use_shift=False),
        LayerNorm(axis=(1, 2), use_scale=False, use_shift=False),
    )
    for layer in (one, whole):
        layer.build((None, None, 4), dtype="float64")
    for lengths in (None, [4, 0, 2]):
        np.testing.assert_allclose(one(X, lengths=lengths), whole(X, lengths=lengths), rtol=1e-12, atol=1e-14)


def test_of_rows_without_time_each_group_is_alone() -> None:
    layer = GroupNorm(2, epsilon=1e-12)
    layer.build((None, 4), dtype="float64")
    np.testing.assert_allclose(layer([[1.0, 3.0, 10.0, 0.0]]), [[-1, 1, 1, -1]])


def test_it_cannot_stream() -> None:
    layer = GroupNorm(2)
    layer.build((None, None, 4))
    with pytest.raises(StreamError, match=r"^GroupNorm: cannot stream: it normalizes over all steps of a row$"):
        lamina.Stream(layer)


def test_settings_and_shapes_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^GroupNorm: expected groups to be a whole number of 1 or more, got 0$"):
        GroupNorm(0)
    with pytest.raises(ArgumentError, match=r"^GroupNorm: expected epsilon to be a number above 0, got -1$"):
        GroupNorm(1, epsilon=-1)
    with pytest.raises(ShapeError, match=r"^GroupNorm: expected features that 2 groups share out, got 3$"):
        GroupNorm(2).build((None, None, 3))
    with pytest.raises(ShapeError, match=r"^GroupNorm: expected a fixed size of axis 1, got \(batch, \?\)$"):
        GroupNorm(2).build((None, None))


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, [4, 0, 2]], ids=["full", "ragged"])
@pytest.mark.parametrize("settings", [{}, {"use_scale": False}, {"use_shift": False}], ids=str)
def test_each_parameters_gradient_is_its_slope(prove_gradients: Any, settings: Any, lengths: Any, backend: str) -> None:
    layer = GroupNorm(2, **settings)
    layer.build((None, None, 4), backend=backend, dtype="float64")
    prove_gradients(layer, X, lengths=lengths)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's.
    assert defaults(GroupNorm) == {"epsilon": 1e-05, "use_scale": True, "use_shift": True}
