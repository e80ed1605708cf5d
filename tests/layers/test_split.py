"""Split."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.layers import GRU, Multiply, Split


def test_defaults(defaults: Callable[[Any], dict[str, Any]]) -> None:
    assert defaults(Split) == {"axis": -1}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(("parts", "places"), [(2, [3]), (3, [2, 4]), ([1, 3, 2], [1, 4]), ((5, 1), [5])])
@pytest.mark.parametrize("axis", [1, -1])
def test_the_parts_are_numpys_and_come_together_again(backend: str, parts: Any, places: Any, axis: int) -> None:
    layer, x = Split(parts, axis=axis), np.arange(72.0).reshape(2, 6, 6)
    shapes = layer.build((None, 6, 6), backend=backend, dtype="float64")
    y, saved = layer.forward(x)
    expected = np.split(x, places, axis)
    assert [own.tolist() for own in y] == [own.tolist() for own in expected]
    assert [shape[1:] for shape in shapes] == [own.shape[1:] for own in expected]
    np.testing.assert_array_equal(layer.backward(tuple(own + 1 for own in expected), saved), x + 1)


def test_lengths_of_the_parts_of_time() -> None:
    layer, x = Split([1, 3], axis=1), np.ones((3, 4, 1))
    layer.build((None, 4, 1), dtype="float64")
    after = layer.output_lengths(np.array([4, 2, 0]))
    assert [own.tolist() for own in after] == [[1, 1, 0], [3, 1, 0]]
    first, rest = layer(x, lengths=[4, 2, 0])
    assert (first[..., 0].tolist(), rest[..., 0].tolist()) == ([[1], [1], [0]], [[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    assert layer.output_lengths(None) is None


def test_both_halves_go_into_the_next_layer() -> None:
    # A gated linear unit without its sigmoid: the features' halves, multiplied.
    model, x = Sequential(Split(2), Multiply()), np.random.default_rng(0).standard_normal((3, 4, 6))
    assert model.build((None, None, 6), dtype="float64") == (None, None, 3)
    lengths = [4, 1, 2]
    y = model(x, lengths=lengths)
    for row, end in enumerate(lengths):
        np.testing.assert_array_equal(y[row, :end], x[row, :end, :3] * x[row, :end, 3:])
        assert not y[row, end:].any()


def test_it_streams_features_but_no_steps() -> None:
    model, x = Sequential(GRU(4, return_sequences=True), Split(2)), np.ones((2, 3, 2))
    model.build((None, None, 2), dtype="float64", seed=0)
    stream = lamina.Stream(model)
    for own, whole in zip(zip(stream(x[:, :1]), stream(x[:, 1:]), strict=True), model(x), strict=True):
        np.testing.assert_allclose(np.concatenate(own, 1), whole, rtol=1e-14)
    layer = Split(2, axis=1)
    layer.build((None, 4, 2))
    with pytest.raises(StreamError, match=r"^Split: cannot stream: it takes the time axis apart$"):
        layer.stream_state(1)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (1, "Split: expected parts to be a whole number of 2 or more, got 1"),
        ([3], "Split: expected two parts or more, got [3]"),
        ([2, 0], "Split: expected every size to be a whole number of 1 or more, got 0"),
        (None, "Split: expected parts to be a whole number of 2 or more, got None"),
    ],
)
def test_what_makes_no_parts_is_refused(parts: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Split(parts)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Split(2), (None, 3), "Split: expected 2 equal parts of axis 1, got (batch, 3)"),
        (Split([1, 1]), (None, 3), "Split: expected parts (1, 1) of axis 1, got (batch, 3)"),
        (Split(2, axis=1), (None, None, 3), "Split: expected a fixed size of axis 1, got (batch, time, 3)"),
        (Split(2, axis=0), (None, 4, 3), "Split: expected an axis after the batch, got axis 0 of (batch, 4, 3)"),
    ],
)
def test_what_does_not_fit_is_refused_when_built(layer: Split, shape: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        layer.build(shape)
    assert str(caught.value) == message


def test_another_number_of_steps_than_was_built_for_is_refused() -> None:
    layer = Split(2, axis=1)
    layer.build((None, 4, 3))
    with pytest.raises(ShapeError, match=r"^Split: expected 4 along axis 1, got \(2, 6, 3\)$"):
        layer(np.ones((2, 6, 3)))
