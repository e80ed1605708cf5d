"""y = x + inner(x)."""

import numpy as np
import pytest

from lamina import Residual, Sequential
from lamina.errors import ArgumentError, ShapeError
from lamina.layers import Dense, LastStep, SimpleRNN, Tanh


def test_forward_and_backward_by_hand() -> None:
    layer = Residual(Dense(2, w_initializer="ones"))
    assert layer.build((None, 2), dtype="float64") == (None, 2)
    x, dy = np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])
    x.flags.writeable = dy.flags.writeable = False
    y, saved = layer.forward(x)
    assert y.tolist() == [[1 + 3, 2 + 3]] == layer(x).tolist()
    assert layer.backward(dy, saved).tolist() == [[3 + 8, 5 + 8]]
    assert layer.inner.w.grad.tolist() == [[3, 5], [6, 10]]  # type: ignore[attr-defined]


def test_paths_go_through_inner() -> None:
    model = Sequential(Residual(Sequential(Dense(2), Tanh())))
    model.build((None, 2))
    assert list(model.named_parameters()) == ["0.inner.0.w", "0.inner.0.b"]


@pytest.mark.parametrize(
    ("inner", "shape", "message"),
    [
        (Dense(3), (None, 2), "Residual: expected one shape, got (batch, 3) of Dense 'inner', (batch, 2) of the input"),
        (
            LastStep(),
            (None, None, 2),
            "Residual: expected one shape, got (batch, 2) of LastStep 'inner', (batch, time, 2) of the input",
        ),
        (
            SimpleRNN(2, return_sequences=True, return_state=True),
            (None, None, 2),
            "Residual: expected layers with one output each, got (batch, time, 2), (batch, 2) of SimpleRNN 'inner'",
        ),
    ],
)
def test_an_inner_layer_that_changes_the_shape_is_refused(inner, shape, message: str) -> None:
    layer = Residual(inner)
    with pytest.raises(ShapeError) as caught:
        layer.build(shape)
    assert str(caught.value) == message
    assert not layer.is_built
    assert not inner.is_built


def test_the_inner_layer_must_be_one() -> None:
    with pytest.raises(
        ArgumentError, match=r"^Residual: expected a layer at position 0, got .*: write Tanh\(\.\.\.\)$"
    ):
        Residual(Tanh)  # type: ignore[arg-type]


def test_lengths_reach_the_inner_layer_and_are_as_it_says() -> None:
    layer = Residual(SimpleRNN(2, return_sequences=True))
    layer.build((None, None, 2), dtype="float64", seed=0)
    x, lengths = np.ones((2, 3, 2)), np.array([1, 3])
    y = layer(x, lengths=lengths)
    inner = layer.inner(x, lengths=lengths)
    assert y[0].tolist() == [[*(1 + inner[0, 0])], [0, 0], [0, 0]]
    assert (y[1] == 1 + inner[1]).all()
    assert (y == layer.forward(x, lengths=lengths)[0]).all()
    assert layer.output_lengths(lengths) is lengths
