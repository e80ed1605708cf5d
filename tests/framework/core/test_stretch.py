"""Which parameters lie side by side, and are one flat array to whoever goes over them all."""

import pytest

from lamina import Parameter, Sequential
from lamina.core.stretch import neighbours
from lamina.layers import Dense, SimpleRNN


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
