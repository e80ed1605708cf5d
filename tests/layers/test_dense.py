"""Dense, by hand; its kernel is proven in backends/test_pointwise."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, ShapeError, UnknownNameError
from lamina.layers import Dense


def built(*arguments, shape=(None, 2), **settings) -> Dense:
    layer = Dense(*arguments, **settings)
    layer.build(shape, dtype="float64", seed=0)
    return layer


def test_forward_and_backward_by_hand() -> None:
    layer = built(2, w_initializer="ones", b_initializer=0.5)
    layer.w.data = [[1.0, 2.0], [3.0, 4.0]]
    x, dy = np.array([[1.0, -1.0]]), np.array([[1.0, 10.0]])
    x.flags.writeable = dy.flags.writeable = False
    y, saved = layer.forward(x)
    assert y.tolist() == [[1 - 3 + 0.5, 2 - 4 + 0.5]]
    assert layer.backward(dy, saved).tolist() == [[1 + 20, 3 + 40]]
    assert layer.w.grad.tolist() == [[1, 10], [-1, -10]]
    assert layer.b.grad.tolist() == [1, 10]


def test_gradients_add_up_over_backward_passes() -> None:
    layer = built(1, w_initializer="ones")
    states = [layer.forward(np.array([[value, 0.0]]))[1] for value in (1.0, 2.0)]
    for saved in states:
        layer.backward(np.ones((1, 1)), saved)
    assert layer.w.grad.tolist() == [[3], [0]]
    assert layer.b.grad.tolist() == [2]


def test_it_works_on_the_last_axis_of_any_rank() -> None:
    for shape in ((None, 2), (None, None, 2), (None, 3, None, 2)):
        layer = Dense(5)
        assert layer.build(shape, seed=0) == (*shape[:-1], 5)
        x = np.ones([4 if size is None else size for size in shape], "float32")
        y, saved = layer.forward(x)
        assert y.shape == (*x.shape[:-1], 5)
        assert layer.backward(y, saved).shape == x.shape


def test_without_a_bias_there_is_one_parameter() -> None:
    layer = built(3, use_bias=False)
    assert list(layer.named_parameters()) == ["w"]
    assert layer.b is None
    y, saved = layer.forward(np.zeros((1, 2)))
    assert y.tolist() == [[0, 0, 0]]
    assert layer.backward(y, saved).tolist() == [[0, 0]]


def test_weights_are_glorot_uniform_and_the_bias_zero_by_default() -> None:
    layer = built(4, shape=(None, 2))
    assert np.abs(layer.w.data).max() < 1  # sqrt(6 / (2 + 4))
    assert layer.w.data.tolist() == np.random.default_rng(0).uniform(-1, 1, (2, 4)).tolist()
    assert layer.b.data.tolist() == [0] * 4


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((None, None), "Dense: expected a fixed size of axis 1, got (batch, ?)"),
        ((None,), "Dense: expected a fixed size of axis 0, got (batch,)"),
    ],
)
def test_the_last_axis_must_have_a_size(shape, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Dense(2).build(shape)
    assert str(caught.value) == message


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown initializer 'glorot_unifrm': did you mean 'GlorotUniform'\?"):
        Dense(2, w_initializer="glorot_unifrm")
    with pytest.raises(ArgumentError, match=r"^initializer: expected a name, a number or an Initializer, got \[1\]$"):
        Dense(2, b_initializer=[1])  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("rows", [(3,), (3, 4), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("use_bias", [True, False])
def test_each_parameters_gradient_is_its_slope(prove_gradients, use_bias: bool, rows, backend: str) -> None:
    layer = Dense(3, use_bias=use_bias)
    layer.build((*(None,) * len(rows), 2), backend=backend, dtype="float64", seed=0)
    x = np.random.default_rng(0).standard_normal((*rows, 2))
    prove_gradients(layer, x)
    if len(rows) == 2:
        prove_gradients(layer, x, lengths=[4, 0, 2])


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's.
    assert defaults(Dense) == {"use_bias": True, "w_initializer": "glorot_uniform", "b_initializer": "zeros"}
