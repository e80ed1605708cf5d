"""Slice; which steps each row gives is proven in framework/kinds/test_slicing, gradients in parity/test_arithmetic."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.layers import GRU, Dense, Flatten, Slice


def test_defaults(defaults: Callable[[Any], dict[str, Any]]) -> None:
    assert defaults(Slice) == {"start": None, "stop": None, "step": 1, "axis": 1}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("arguments", [(1,), (None, -1), (-3, -1), (None, None, -2), (0, 9, 2), (-5, 3)])
@pytest.mark.parametrize("axis", [1, 2, -1, -2])
def test_without_lengths_it_slices_as_python_does(backend: str, arguments: Any, axis: int) -> None:
    layer, x = Slice(*arguments, axis=axis), np.arange(60.0).reshape(3, 4, 5)
    shape = layer.build((None, 4, 5), backend=backend, dtype="float64")
    index = (slice(None),) * (axis % 3) + (slice(*arguments, *(None,) * (len(arguments) < 2)),)
    y, saved = layer.forward(x)
    assert y.tolist() == x[index].tolist() and shape[1:] == y.shape[1:]
    gradient = np.zeros_like(x)
    gradient[index] = x[index] + 1
    np.testing.assert_array_equal(layer.backward(y + 1, saved), gradient)


def test_lengths_are_those_of_what_is_left() -> None:
    lengths = np.array([5, 0, 3, 1])
    for layer, expected in (
        (Slice(1), [4, 0, 2, 0]),
        (Slice(stop=-2), [3, 0, 1, 0]),
        (Slice(1, 3), [2, 0, 2, 0]),
        (Slice(-2), [2, 0, 2, 1]),
        (Slice(step=2), [3, 0, 2, 1]),
        (Slice(1, axis=-1), [5, 0, 3, 1]),
    ):
        layer.build((None, None, 2))
        assert layer.output_lengths(lengths).tolist() == expected
        assert layer.output_lengths(None) is None
    rows = Slice(1)
    rows.build((None, 4))
    assert rows.output_lengths(lengths) is lengths  # a vector has no steps


def test_what_was_a_step_and_is_padding_now_is_0_also_within_a_model() -> None:
    model = Sequential(Slice(stop=-1), Flatten())
    model.build((None, 3, 1), dtype="float64")
    x = np.array([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [0.0]]])
    assert model(x, lengths=[3, 2]).tolist() == [[1, 2], [4, 0]]


def test_rows_without_steps_may_be_left() -> None:
    model = Sequential(Slice(2), GRU(3), Dense(1))
    model.build((None, None, 2), dtype="float64", seed=0)
    x = np.ones((2, 2, 2))
    y, saved = model.forward(x, lengths=[2, 1])
    np.testing.assert_array_equal(y, np.tile(model.layers[2].b.numpy(), (2, 1)))
    assert not model.backward(np.ones_like(y), saved).any()


@pytest.mark.parametrize("bounds", [(-5, 3), (3, -5, -1)])
def test_bounds_that_cannot_follow_lengths_are_refused(bounds: Any) -> None:
    layer = Slice(*bounds)
    layer.build((None, None, 1), dtype="float64")
    x = np.arange(4.0).reshape(1, 4, 1)
    assert layer(x).tolist() == x[:, slice(*bounds)].tolist() == layer(x, lengths=[4]).tolist()
    with pytest.raises(ShapeError) as caught:
        layer(x, lengths=[3])
    text = ":".join(map(str, bounds))
    assert str(caught.value) == (
        f"Slice: cannot take [{text}] of rows that differ in length: one bound counts from the end, the other from "
        "the start"
    )


def test_it_streams_features_but_no_steps() -> None:
    model, x = Sequential(GRU(4, return_sequences=True), Slice(1, 3, axis=-1)), np.ones((2, 3, 2))
    model.build((None, None, 2), dtype="float64", seed=0)
    stream = lamina.Stream(model)
    np.testing.assert_allclose(np.concatenate([stream(x[:, :1]), stream(x[:, 1:])], 1), model(x), rtol=1e-14)
    model = Sequential(GRU(4, return_sequences=True), Slice(1, -1, 2))
    model.build((None, None, 2))
    with pytest.raises(StreamError) as caught:
        lamina.Stream(model)
    assert str(caught.value) == "Slice '1': cannot stream: it takes [1:-1:2] of the time axis"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": 1.5}, "Slice: expected start to be a whole number, got 1.5"),
        ({"stop": "2"}, "Slice: expected stop to be a whole number, got '2'"),
        ({"step": 0}, "Slice: expected step to be a whole number other than 0, got 0"),
        ({"step": None}, "Slice: expected step to be a whole number, got None"),
        ({"axis": True}, "Slice: expected axis to be a whole number, got True"),
    ],
)
def test_what_is_no_bound_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Slice(**arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Slice(2, 2), "Slice: [2:2] leaves nothing of axis 1 of (batch, 4, 3)"),
        (Slice(5), "Slice: [5:] leaves nothing of axis 1 of (batch, 4, 3)"),
        (Slice(1, axis=0), "Slice: expected an axis after the batch, got axis 0 of (batch, 4, 3)"),
        (Slice(1, axis=3), "Slice: expected an axis after the batch, got axis 3 of (batch, 4, 3)"),
        (Slice(1, axis=-3), "Slice: expected an axis after the batch, got axis -3 of (batch, 4, 3)"),
    ],
)
def test_what_does_not_fit_is_refused_when_built(layer: Slice, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        layer.build((None, 4, 3))
    assert str(caught.value) == message
