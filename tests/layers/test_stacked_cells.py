"""StackedCells."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Cell, Recurrent, Sequential
from lamina.errors import ArgumentError, ShapeError
from lamina.layers import GRU, LSTM, Dense, Dropout, GRUCell, LSTMCell, SimpleRNNCell, StackedCells

X = np.random.default_rng(0).standard_normal((3, 5, 2))
LENGTHS = np.array([5, 0, 2])


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_stack_is_its_layers_one_after_another(backend: str, backwards: bool) -> None:
    options = {"return_sequences": True, "go_backwards": backwards}
    layers = Sequential(LSTM(4, **options), Dense(3), GRU(3, **options), Dense(2))
    stack = Recurrent(StackedCells(LSTMCell(4), Dense(3), GRUCell(3), Dense(2)), **options)
    results = []
    for model in (layers, stack):
        model.build((None, None, 2), dtype="float64", seed=0, backend=backend)
        y, saved = model.forward(X, lengths=LENGTHS)
        dx = model.backward(np.random.default_rng(1).standard_normal(y.shape), saved)
        results.append([y, dx, *(parameter.grad for parameter in model.parameters())])
    for ours, other in zip(*results, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-11, atol=1e-12)


def test_states_are_those_of_all_cells_from_the_lowest_up() -> None:
    stack = StackedCells([LSTMCell(4), Dense(3), GRUCell(2)])
    assert stack.state_sizes == (4, 4, 2)
    shapes = (None, 4), (None, 4), (None, 2)
    assert stack.build((None, 2), *shapes, seed=0) == ((None, 2), *shapes)
    assert sorted({name.partition(".")[0] for name in stack.named_parameters()}) == ["0", "1", "2"]
    y, *states = stack(X[:, 0], np.zeros((3, 4)), np.zeros((3, 4)), np.ones((3, 2)))
    np.testing.assert_array_equal(y, states[2])
    layer = Recurrent(StackedCells(LSTMCell(4), GRUCell(2)), return_state=True)
    assert layer.build((None, None, 2)) == ((None, 2), *shapes)


def test_one_cell_in_two_places_shares_its_weights_and_has_two_states() -> None:
    cell = SimpleRNNCell(2)
    layer = Recurrent(StackedCells(cell, cell), return_state=True)
    assert layer.build((None, None, 2), dtype="float64", seed=0) == ((None, 2), (None, 2), (None, 2))
    assert len(layer.parameters()) == 3
    assert lamina.testing.check_gradients(layer, X, lengths=LENGTHS) < 1e-6


def test_dropout_draws_for_every_step_and_not_at_all_in_inference() -> None:
    layer = Recurrent(StackedCells(SimpleRNNCell(100), Dropout(0.5)), return_sequences=True)
    layer.build((None, None, 2), dtype="float64", seed=0)
    dropped = layer.forward(X)[0] == 0
    assert 0.4 < dropped.mean() < 0.6
    assert not (dropped[:, 0] == dropped[:, 1]).all()
    assert not (layer(X) == 0).any()


class Ratio(Cell):
    """One of a user's, whose output is none of its states."""

    units = 2

    def build(self, x: Any, h: Any) -> Any:
        return (None, 2), h

    def forward(self, x: Any, h: Any) -> Any:
        return (3 * x - h, h + x), None

    def backward(self, gradients: Any, saved: Any) -> Any:
        dy, dh = gradients
        return 3 * dy + dh, dh - dy


def test_cells_whose_output_is_none_of_their_states_may_stand_in_it() -> None:
    stack = StackedCells(Ratio(), Ratio())
    stack.build((None, 2), (None, 2), (None, 2), dtype="float64")
    y, first, second = stack(np.ones((1, 2)), np.full((1, 2), 2.0), np.full((1, 2), 5.0))
    assert (y[0, 0], first[0, 0], second[0, 0]) == (3 * 1 - 5, 3, 6)  # the lower one puts out 3 - 2
    _, saved = stack.forward(np.ones((1, 2)), np.ones((1, 2)), np.ones((1, 2)))
    gradients = stack.backward((np.ones((1, 2)), np.zeros((1, 2)), np.ones((1, 2))), saved)
    # The upper one gives 3 + 1 to the lower one's output, and 0 to its own state.
    assert [one[0, 0] for one in gradients] == [12, -4, 0]


def test_it_is_saved_and_found_again(tmp_path: Any) -> None:
    layer = Recurrent(StackedCells(GRUCell(3), Dropout(0.2), Dense(2)), return_sequences=True)
    layer.build((None, None, 2), seed=0)
    layer.save(tmp_path / "stack.safetensors")
    again = lamina.load(tmp_path / "stack.safetensors")
    assert repr(again) == repr(layer)
    np.testing.assert_array_equal(again(X, lengths=LENGTHS), layer(X, lengths=LENGTHS))


def test_it_streams_in_pieces_of_any_length() -> None:
    layer = Recurrent(StackedCells(GRUCell(3), LSTMCell(2), Dense(4)), return_sequences=True)
    layer.build((None, None, 2), dtype="float64", seed=0)
    stream = lamina.Stream(layer)
    parts = [stream(X[:, start:stop]) for start, stop in ((0, 1), (1, 4), (4, 5))]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), layer(X), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: StackedCells(), ArgumentError, "StackedCells: expected at least one cell, got 0 layers without any"),
        (
            lambda: StackedCells(Dense(2)),
            ArgumentError,
            "StackedCells: expected at least one cell, got 1 layers without any",
        ),
        (
            lambda: StackedCells(GRUCell(2)).build((None, 2)),
            ShapeError,
            "StackedCells: expected 1 states, got 0",
        ),
        (
            lambda: StackedCells(GRUCell(2)).build((None, 2), (None, 3)),
            ShapeError,
            "GRUCell '0': expected states (batch, 2), got (batch, 3)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message
