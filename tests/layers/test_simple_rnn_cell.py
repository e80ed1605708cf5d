"""SimpleRNNCell."""

import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ShapeError, UnknownNameError
from lamina.layers import SimpleRNN, SimpleRNNCell


def test_a_step_by_hand() -> None:
    cell = SimpleRNNCell(1)
    assert cell.build((None, 1), (None, 1), dtype="float64", seed=0) == (None, 1)
    cell.w_x.data, cell.w_h.data, cell.b.data = [[2.0]], [[3.0]], [0.5]
    np.testing.assert_allclose(cell([[0.1]], [[0.2]]), [[math.tanh(0.2 + 0.6 + 0.5)]], rtol=1e-14)
    _, saved = cell.forward(np.array([[0.1]]), np.array([[0.2]]))
    dx, dh = cell.backward(np.ones((1, 1)), saved)
    slope = 1 - math.tanh(1.3) ** 2
    np.testing.assert_allclose([dx, dh], [[[2 * slope]], [[3 * slope]]], rtol=1e-14)
    np.testing.assert_allclose(cell.w_h.grad, [[0.2 * slope]], rtol=1e-14)
    np.testing.assert_allclose(cell.b.grad, [slope], rtol=1e-14)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_it_steps_as_the_layer_of_its_weights_reads(activation: str) -> None:
    layer = SimpleRNN(4, activation=activation, return_sequences=True)
    layer.build((None, None, 3), dtype="float64", seed=0)
    cell = SimpleRNNCell(4, activation=activation)
    cell.build((None, 3), (None, 4), dtype="float64")
    cell.load_state_dict(layer.state_dict())
    x = np.random.default_rng(0).standard_normal((2, 5, 3))
    y, h = layer(x), np.zeros((2, 4))
    for t in range(5):
        h = cell(x[:, t], h)
        np.testing.assert_allclose(h, y[:, t], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((None, None, 3), (None, 4)), r"expected \(batch, features\), got \(batch, time, 3\)"),
        (((None, 3), (None, 5)), r"expected states \(batch, 4\), got \(batch, 5\)"),
        (((None, 3),), r"expected states \(batch, 4\), got none"),
    ],
)
def test_shapes_that_do_not_fit(shapes: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=f"^SimpleRNNCell: {message}$"):
        SimpleRNNCell(4).build(*shapes)


def test_arguments() -> None:
    with pytest.raises(
        ArgumentError, match=r"^SimpleRNNCell: expected units to be a whole number of 1 or more, got 0$"
    ):
        SimpleRNNCell(0)
    with pytest.raises(UnknownNameError, match=r"^unknown activation of SimpleRNNCell 'sine': Known: relu, tanh$"):
        SimpleRNNCell(2, activation="sine")
    assert repr(lamina.Recurrent(SimpleRNNCell(2, use_bias=False))) == "Recurrent(SimpleRNNCell(2, use_bias=False))"


@pytest.mark.parametrize("settings", [{}, {"activation": "relu"}, {"use_bias": False}], ids=str)
@pytest.mark.parametrize("name", ["numpy", "reference"])
def test_each_parameters_gradient_is_its_slope(prove_gradients: Any, name: str, settings: Any) -> None:
    cell = SimpleRNNCell(3, **settings)
    cell.build((None, 2), *[(None, 3)] * 1, backend=name, dtype="float64", seed=0)
    rng = np.random.default_rng(1)
    prove_gradients(cell, rng.standard_normal((4, 2)), *rng.standard_normal((1, 4, 3)))


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Those of SimpleRNN, which are Keras's.
    assert defaults(SimpleRNNCell) == {
        "activation": "tanh",
        "use_bias": True,
        "w_x_initializer": "glorot_uniform",
        "w_h_initializer": "orthogonal",
        "b_initializer": "zeros",
    }
