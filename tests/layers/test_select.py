"""Select."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.layers import GRU, Dense, LastStep, Select

LENGTHS = [4, 2, 0, 1]


def test_defaults(defaults: Callable[[Any], dict[str, Any]]) -> None:
    assert defaults(Select) == {"axis": 1}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("index", [0, 1, 3, -1, -2, -4])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_each_rows_own_step_and_its_gradient(backend: str, index: int, lengths: Any) -> None:
    layer, x = Select(index), np.arange(1.0, 33).reshape(4, 4, 2)
    assert layer.build((None, None, 2), backend=backend, dtype="float64") == (None, 2)
    y, saved = layer.forward(x, lengths=lengths)
    expected, gradient, dy = np.zeros((4, 2)), np.zeros_like(x), np.arange(8.0).reshape(4, 2) + 1
    for row, end in enumerate(lengths or [4] * 4):
        if -end <= index < end:
            expected[row] = x[row, :end][index]
            gradient[row, :end][index] = dy[row]
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(layer.backward(dy, saved), gradient)
    assert layer.output_lengths(np.array(LENGTHS)) is None


def test_the_last_step_is_that_of_last_step() -> None:
    x = np.random.default_rng(0).standard_normal((4, 5, 3))
    layers = Select(-1), LastStep()
    for layer in layers:
        layer.build((None, None, 3), dtype="float64")
    np.testing.assert_array_equal(*[layer(x, lengths=[5, 2, 0, 1]) for layer in layers])


@pytest.mark.parametrize("index", [2, -3])
def test_rows_that_are_all_too_short_give_zeros_however_far_they_are_padded(index: int) -> None:
    layer = Select(index)
    layer.build((None, None, 1), dtype="float64")
    for steps in (0, 2, 5):
        y, saved = layer.forward(np.ones((3, steps, 1)), lengths=[min(steps, 2), 0, min(steps, 1)])
        assert y.tolist() == [[0]] * 3 and not layer.backward(np.ones((3, 1)), saved).any()
    y, saved = layer.forward(np.ones((3, 2, 1)))
    assert y.tolist() == [[0]] * 3 and layer.backward(np.ones((3, 1)), saved).tolist() == [[[0], [0]]] * 3


def test_of_another_axis_lengths_stay_where_one_is_left_to_follow_them() -> None:
    lengths, x = np.array([2, 1]), np.arange(1.0, 13).reshape(2, 2, 3)
    layer = Select(-1, axis=2)
    layer.build((None, None, 2, 3), dtype="float64")
    assert layer.output_lengths(lengths) is lengths
    assert layer(x[:, :, None, :] * np.ones((1, 1, 2, 1)), lengths=lengths)[1].tolist() == [[7, 8, 9], [0, 0, 0]]
    layer = Select(1, axis=2)
    layer.build((None, None, 3), dtype="float64")
    assert layer(x, lengths=[2, 2]).tolist() == layer(x).tolist() == [[2, 5], [8, 11]]
    with pytest.raises(ShapeError) as caught:
        layer(x, lengths=lengths)
    assert str(caught.value) == (
        "Select: cannot take the features away of rows that differ in length: lengths were given"
    )


@pytest.mark.parametrize("index", [0, 2, -1])
def test_in_a_stream_it_gives_the_step_once_it_is_there(index: int) -> None:
    model = Sequential(GRU(3, return_sequences=True), Select(index), Dense(2))
    model.build((None, None, 2), dtype="float64", seed=0)
    x, lengths = np.random.default_rng(1).standard_normal((3, 6, 2)), np.array([6, 3, 1])
    stream, done = lamina.Stream(model), 0
    for steps in (1, 2, 3):
        own = np.clip(lengths - done, 0, steps)
        y = stream(x[:, done : done + steps], lengths=own)
        done += steps
        np.testing.assert_allclose(y, model(x[:, :done], lengths=np.minimum(lengths, done)), rtol=1e-13)


def test_a_streams_gradient_goes_to_the_step_it_took() -> None:
    layer = Select(2)
    layer.build((None, None, 1), dtype="float64")
    state, x, dy = None, np.arange(1.0, 5).reshape(1, 4, 1), np.ones((1, 1))
    found = []
    for part in (x[:, :2], x[:, 2:]):
        y, state, saved = layer.stream(part, state=state, training=True)
        found.append((y.item(), layer.backward(dy, saved)[0, :, 0].tolist()))
    assert found == [(0, [0, 0]), (3, [1, 0])]


def test_what_cannot_stream_says_so() -> None:
    for layer, why in (
        (Select(-2), "step -2 is none until the end is known"),
        (Select(1, axis=2), "it takes the features of every step away"),
    ):
        layer.build((None, None, 2))
        with pytest.raises(StreamError) as caught:
            layer.stream_state(1)
        assert str(caught.value) == f"Select: cannot stream: {why}"
    layer = Select(1, axis=2)
    layer.build((None, None, 2, 3))
    x = np.arange(12.0, dtype="float32").reshape(1, 2, 2, 3)
    y, after, _ = layer.stream(x, state=layer.stream_state(1))
    assert (y.tolist(), after) == ([[[3, 4, 5], [9, 10, 11]]], ())


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            Select(-1),
            (None, 4),
            "Select: expected three axes or more, got (batch, 4): a slice, -1:, keeps its axis",
        ),
        (Select(4), (None, 4, 3), "Select: there is no place 4 along axis 1 of (batch, 4, 3)"),
        (Select(-4, -1), (None, None, 3), "Select: there is no place -4 along axis 2 of (batch, time, 3)"),
        (Select(1, 0), (None, 4, 3), "Select: expected an axis after the batch, got axis 0 of (batch, 4, 3)"),
    ],
)
def test_what_does_not_fit_is_refused_when_built(layer: Select, shape: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        layer.build(shape)
    assert str(caught.value) == message


def test_what_is_no_place_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^Select: expected index to be a whole number, got 1.5$"):
        Select(1.5)  # type: ignore[arg-type]
