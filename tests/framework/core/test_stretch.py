"""Which parameters lie side by side, and are one flat array to whoever goes over them all."""

import numpy as np
import pytest

from lamina import Parameter, Sequential
from lamina.core.stretch import Stretch, neighbours
from lamina.layers import Dense, Embedding, SimpleRNN


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


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("row_wise", [True, False])
def test_gradients_are_scaled_and_set_to_zero_wherever_they_lie(moved: bool, row_wise: bool) -> None:
    model = Sequential(Embedding(6, 2, row_wise=row_wise), Dense(3))
    model.build((None,), backend="numpy", dtype="float64", seed=0)
    stretches = [Stretch(run) for run in neighbours(model.parameters())]
    model[0].w.add_rows(np.array([1, 4, 1]), np.ones((3, 2)))  # type: ignore[attr-defined]
    model[1].b.grad += 3  # type: ignore[attr-defined]
    if moved:
        model.to("reference")
    assert all(stretch.moved == moved for stretch in stretches)
    for stretch in stretches:
        stretch.scale_grad(0.5)
    table, _, b = model.parameters()
    assert table.grad[:, 0].tolist() == [0, 1, 0, 0, 0.5, 0]
    assert b.grad.tolist() == [1.5] * 3
    if not moved:
        assert sum(float(stretch.read_grad().sum()) for stretch in stretches) == 3 + 4.5
    for stretch in stretches:
        stretch.zero_grad()
    assert not any(one.grad.any() for one in model.parameters())


def test_rows_that_wait_are_in_the_gradient_of_a_stretch() -> None:
    model = Sequential(Embedding(4, 2), Dense(3))
    model.build((None,), backend="numpy", dtype="float64", seed=0)
    table: Parameter = model[0].w  # type: ignore[attr-defined]
    whole = Stretch(model.parameters())
    for number, look in enumerate((whole.read_grad, lambda: whole.grad), start=1):
        table.add_rows(np.array([2]), np.ones((1, 2)))
        assert look()[:8].tolist() == [0, 0, 0, 0, number, number, 0, 0]
    whole.grad[...] = 5
    found = table.row_gradient()
    assert found is None  # every row is used
    assert (table.grad == 5).all()
