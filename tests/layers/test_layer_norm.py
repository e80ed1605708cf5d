"""LayerNorm; its kernel is proven in backends/test_normalization."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ShapeError, StreamError
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
    assert defaults(LayerNorm) == {"axis": -1, "epsilon": 1e-05, "use_scale": True, "use_shift": True}


# Other axes.

X = np.random.default_rng(1).standard_normal((3, 4, 2)) * 3 + 1
PLAIN: dict[str, Any] = {"use_scale": False, "use_shift": False, "epsilon": 1e-9}


def test_over_the_time_only_valid_steps_count() -> None:
    layer = LayerNorm(axis=(1, 2), **PLAIN)
    assert layer.build((None, None, 2), dtype="float64") == (None, None, 2)
    lengths = [4, 0, 2]
    y = layer(X, lengths=lengths)
    for row, length in enumerate(lengths):
        own = X[row, :length]
        if length:
            np.testing.assert_allclose(y[row, :length], (own - own.mean()) / own.std(), rtol=1e-7)
        assert not y[row, length:].any()


@pytest.mark.parametrize(("axis", "alike"), [(1, -2), ((1, 2), (-1, -2)), ((2, 1), (1, 2)), (2, (2,)), (-1, (-1,))])
def test_axes_may_be_named_in_several_ways(axis: Any, alike: Any) -> None:
    found = []
    for one in (axis, alike):
        layer = LayerNorm(axis=one)
        layer.build((None, 4, 2), dtype="float64")
        found.append(layer(X))
    np.testing.assert_array_equal(*found)


def test_parameters_have_the_sizes_of_the_axes() -> None:
    layer = LayerNorm(axis=(1, 2))
    layer.build((None, 4, 2), dtype="float64")
    assert (layer.scale.shape, layer.shift.shape) == ((4, 2), (4, 2))
    assert repr(layer) == "LayerNorm(axis=(1, 2))"
    layer.shift.data = X[0]
    layer.scale.data = np.zeros((4, 2))
    np.testing.assert_array_equal(layer(X)[2], X[0])
    with pytest.raises(ShapeError, match=r"^LayerNorm: expected a size of 4 of axis 1, got \(3, 3, 2\)$"):
        layer(X[:, :3])


@pytest.mark.parametrize("axis", [0, (1, 0), (), (1, 1), 1.0, "time", True])
def test_axes_that_mean_nothing_are_refused(axis: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        LayerNorm(axis=axis)
    wanted = "an axis, or several, each once, and not 0, the batch"
    assert str(caught.value) == f"LayerNorm: expected axis to be {wanted}, got {axis!r}"


def test_an_axis_of_open_size_takes_no_parameters() -> None:
    with pytest.raises(ShapeError, match=r"^LayerNorm: expected a fixed size of axis 1, got \(batch, time, 2\)$"):
        LayerNorm(axis=(1, 2)).build((None, None, 2))


def test_only_over_steps_alone_can_it_stream() -> None:
    whole, step = LayerNorm(axis=(1, 2), **PLAIN), LayerNorm(axis=(2, 3), **PLAIN)
    whole.build((None, None, 2), dtype="float64")
    step.build((None, None, 2, 3), dtype="float64")
    with pytest.raises(StreamError, match=r"^LayerNorm: cannot stream: it takes all steps of a row together, by axis="):
        lamina.Stream(whole)
    x = np.random.default_rng(2).standard_normal((3, 4, 2, 3))
    stream = lamina.Stream(step)
    np.testing.assert_array_equal(np.concatenate([stream(x[:, :1]), stream(x[:, 1:])], axis=1), step(x))


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, [4, 0, 2]], ids=["full", "ragged"])
@pytest.mark.parametrize("axis", [1, 2, (1, 2)])
def test_each_parameters_gradient_over_other_axes(prove_gradients: Any, axis: Any, lengths: Any, backend: str) -> None:
    layer = LayerNorm(axis=axis)
    layer.build((None, 4, 2), backend=backend, dtype="float64")
    prove_gradients(layer, X, lengths=lengths)
