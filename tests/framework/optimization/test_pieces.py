"""Parameters side by side with an optimizer's state for them, and the pieces that it updates."""

import numpy as np
import pytest

from lamina import Sequential
from lamina.layers import Dense, SimpleRNN
from lamina.optimization.pieces import Run
from lamina.optimizers import SGD


@pytest.fixture
def model() -> Sequential:
    model = Sequential(SimpleRNN(2), Dense(3))
    model.build((None, None, 2), backend="numpy", dtype="float64", seed=0)
    return model


def test_a_run_is_a_flat_view_and_yields_what_is_trained(model: Sequential) -> None:
    optimizer = SGD(model.parameters(), 0.1, momentum=0.9)
    run = Run(optimizer, model.parameters()[:3])
    run.data[...] = np.arange(10)
    assert model.parameters()[1].data.tolist() == [[4, 5], [6, 7]]
    (piece,) = run.pieces()
    assert piece.rule is optimizer
    assert piece.data.tolist() == list(range(10))
    assert {name: array.shape for name, array in piece.state.items()} == {"velocity": (10,)}
    model.parameters()[1].trainable = False
    assert [piece.data.tolist() for piece in run.pieces()] == [[0, 1, 2, 3], [8, 9]]
    model.parameters()[0].trainable, model.parameters()[1].trainable = False, True
    (piece,) = run.pieces()  # neighbours that are trained are one
    assert piece.data.tolist() == [4, 5, 6, 7, 8, 9]
    assert (piece.grad.shape, piece.state["velocity"].shape) == ((6,), (6,))
    assert not run.moved
    model.to("reference")
    assert run.moved
