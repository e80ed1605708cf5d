"""BatchNorm; its kernel is proven in backends/test_normalization."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ShapeError
from lamina.layers import BatchNorm


def built(shape=(None, None, 1), **settings) -> BatchNorm:
    layer = BatchNorm(**settings)
    layer.build(shape, dtype="float64")
    return layer


def running(layer: BatchNorm) -> tuple[list[float], list[float]]:
    return layer.running_mean.data.tolist(), layer.running_variance.data.tolist()


def test_running_statistics_move_towards_the_batch() -> None:
    layer = built(momentum=0.25)
    assert running(layer) == ([0], [1])
    # Valid are 2 and 10: mean 6, variance 16, without bias 32.
    layer.forward(np.array([[[2.0], [99.0]], [[10.0], [99.0]]]), np.array([1, 1]))
    assert running(layer) == ([1.5], [0.75 + 8])
    layer.forward(np.array([[[2.0], [10.0]]]))
    assert running(layer) == ([0.75 * 1.5 + 1.5], [0.75 * 8.75 + 8])


def test_one_valid_step_moves_the_mean_alone_and_none_moves_nothing() -> None:
    layer = built(momentum=0.5)
    x = np.array([[[8.0], [99.0]]])
    y, _ = layer.forward(x, np.array([1]))
    assert (y.tolist(), running(layer)) == ([[[0], [0]]], ([4], [1]))
    y, _ = layer.forward(x, np.array([0]))
    assert (y.tolist(), running(layer)) == ([[[0], [0]]], ([4], [1]))


def test_momentum_of_0_and_1() -> None:
    x = np.array([[[2.0]], [[10.0]]])
    still, last = built(momentum=0), built(momentum=1)
    for layer in (still, last):
        layer.forward(x)
    assert (running(still), running(last)) == (([0], [1]), ([6], [32]))


def test_inference_uses_running_statistics_and_keeps_them() -> None:
    layer = built(epsilon=9.0)
    layer.running_mean.data, layer.running_variance.data = [1.0], [16.0]
    layer.scale.data, layer.shift.data = [10.0], [3.0]
    assert layer([[[2.0], [7.0]]], lengths=[1]).tolist() == [[[5], [0]]]
    assert running(layer) == ([1], [16])
    assert np.isnan(layer([[[np.nan], [7.0]]])).tolist() == [[[True], [False]]]


def test_two_forwards_before_a_backward_do_not_meet() -> None:
    layer = built(epsilon=9.0)
    a, b = np.array([[[0.0], [8.0]]]), np.array([[[5.0], [6.0]]])
    (_, first), (_, second) = layer.forward(a), layer.forward(b)
    layer.backward(np.ones((1, 2, 1)), second)
    dx = layer.backward(np.array([[[5.0], [0.0]]]), first)
    np.testing.assert_allclose(dx, [[[0.18 * 5], [-0.18 * 5]]] / np.array(5.0), rtol=1e-14)


def test_statistics_are_saved_and_not_trained() -> None:
    model = lamina.Sequential(lamina.layers.Dense(2), BatchNorm())
    model.build((None, 3), seed=0)
    trained = {parameter.name: parameter.trainable for parameter in model.parameters()}
    assert trained == {
        "0.w": True,
        "0.b": True,
        "1.scale": True,
        "1.shift": True,
        "1.running_mean": False,
        "1.running_variance": False,
    }
    y, saved = model.forward(np.random.default_rng(0).normal(size=(8, 3)).astype("float32"))
    model.backward(y, saved)
    before = model.state_dict()
    assert before["1.running_mean"].any()
    lamina.optimizers.SGD(model.parameters(), lr=0.1).step()
    after = model.state_dict()
    changed = {name for name in after if (after[name] != before[name]).any()}
    assert "1.scale" in changed
    assert not any("running" in name for name in changed)


def test_lengths_of_all_steps_are_as_none() -> None:
    layer, x = built((None, None, 3)), np.random.default_rng(0).normal(size=(4, 5, 3))
    with_lengths, without = layer.forward(x, np.full(4, 5))[0], layer.forward(x)[0]
    assert with_lengths.tolist() == without.tolist()


def test_a_stream_gives_what_the_whole_sequence_gives() -> None:
    layer = built((None, None, 3))
    x = np.random.default_rng(0).normal(size=(2, 4, 3))
    layer.forward(x)
    stream = lamina.Stream(layer)
    np.testing.assert_allclose(np.concatenate([stream(x[:, :1]), stream(x[:, 1:])], axis=1), layer(x), rtol=1e-14)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"momentum": 1.5}, "BatchNorm: expected momentum to be a number of at least 0 and of at most 1, got 1.5"),
        ({"momentum": -0.1}, "BatchNorm: expected momentum to be a number of at least 0 and of at most 1, got -0.1"),
        ({"epsilon": 0}, "BatchNorm: expected epsilon to be a number above 0, got 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        BatchNorm(**settings)
    assert str(caught.value) == message


def test_inputs_that_do_not_fit_are_refused() -> None:
    layer = built((None, 3))
    for call in (layer, layer.forward):
        with pytest.raises(ShapeError, match=r"^BatchNorm: lengths need a time axis, got \(2, 3\)$"):
            call(np.ones((2, 3)), lengths=[1, 2])
        with pytest.raises(ShapeError, match=r"^BatchNorm: expected last axis 3, got \(2, 4\)$"):
            call(np.ones((2, 4)))


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, [4, 0, 2]], ids=["full", "ragged"])
@pytest.mark.parametrize("settings", [{}, {"use_scale": False}, {"use_shift": False}], ids=str)
def test_each_parameters_gradient_is_its_slope(prove_gradients, settings, lengths, backend: str) -> None:
    layer = BatchNorm(**settings)
    layer.build((None, None, 3), backend=backend, dtype="float64")
    prove_gradients(layer, np.random.default_rng(0).standard_normal((3, 4, 3)), lengths=lengths)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's.
    assert defaults(BatchNorm) == {
        "momentum": 0.1,
        "epsilon": 1e-05,
        "use_scale": True,
        "use_shift": True,
        "synchronized": True,
    }
