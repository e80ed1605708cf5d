"""Which parameters lie side by side, and are one flat array to whoever goes over them all."""

import numpy as np
import pytest

from lamina import Parameter, Sequential
from lamina.core.stretch import neighbours
from lamina.layers import Dense, SimpleRNN
from lamina.optimization.pieces import Run
from lamina.optimizers import SGD


@pytest.fixture
def model() -> Sequential:
    model = Sequential(SimpleRNN(2), Dense(3))
    model.build((None, None, 2), backend="numpy", dtype="float64", seed=0)
    return model


def names(runs: list[list[Parameter]]) -> list[list[str]]:
    return [[parameter.name for parameter in run] for run in runs]


def test_neighbours_are_found_in_any_order(model: Sequential) -> None:
    w_x, w_h, b_h, w, b = model.parameters()
    assert names(neighbours([w, b_h, w_x, b, w_h])) == [["0.w_x", "0.w_h", "0.b", "1.w", "1.b"]]
    assert names(neighbours([b, w_h, w_x])) == [["0.w_x", "0.w_h"], ["1.b"]]
    assert names(neighbours([w, w_x], merge=False)) == [["0.w_x"], ["1.w"]]
    assert neighbours([]) == []


def test_storages_come_in_the_order_in_which_they_first_occur(model: Sequential) -> None:
    model[1].to("reference")
    w_x, _, _, w, b = model.parameters()
    assert names(neighbours([b, w_x, w])) == [["1.w", "1.b"], ["0.w_x"]]
    assert names(neighbours([w_x, b, w])) == [["0.w_x"], ["1.w", "1.b"]]


def test_a_run_is_a_flat_view_and_yields_what_is_trained(model: Sequential) -> None:
    optimizer = SGD(model.parameters(), 0.1, momentum=0.9)
    run = Run(optimizer, model.parameters()[:3])
    run.data[...] = np.arange(10)
    assert model.parameters()[1].data.tolist() == [[4, 5], [6, 7]]
    (piece,) = run.pieces()
    assert piece.optimizer is optimizer
    assert piece.data.tolist() == list(range(10))
    assert {name: array.shape for name, array in piece.state.items()} == {"velocity": (10,)}
    model.parameters()[1].trainable = False
    assert [piece.data.tolist() for piece in run.pieces()] == [[0, 1, 2, 3], [8, 9]]
    assert not run.moved
    model.to("reference")
    assert run.moved
