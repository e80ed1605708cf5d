"""Which inputs are combined element by element, and what lies past the ends."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.kinds.elementwise import Elementwise, ones_past
from lamina.layers import Add, Multiply, Subtract

FITTING = [
    ([(None, None, 3), (None, 3)], (None, None, 3)),
    ([(None, 3), (None, None, 3)], (None, None, 3)),
    ([(None, None, 3), (None, None, 1)], (None, None, 3)),
    ([(None, None, 1), (None, 3)], (None, None, 3)),
    ([(None, 1), (None, 3), (None, 3)], (None, 3)),
    ([(None, 4, 2, 3), (None, 1)], (None, 4, 2, 3)),
]
REFUSED = [
    ([(None, None, 3), (None, 1, 3)], "(batch, time, 3), (batch, 1, 3)"),
    ([(None, None, 3), (None, 2)], "(batch, time, 3), (batch, 2)"),
    ([(None, 4, 2, 3), (None, 4, 3)], "(batch, 4, 2, 3), (batch, 4, 3)"),
    ([(None, 5, 3), (None, 4, 3)], "(batch, 5, 3), (batch, 4, 3)"),
]


@pytest.mark.parametrize(("shapes", "expected"), FITTING)
def test_what_fits_together(shapes: Any, expected: Any) -> None:
    assert Add(broadcast=True).build(*shapes) == expected
    if len({*shapes}) > 1:
        with pytest.raises(ShapeError, match=r"^Add: expected two or more inputs of one shape, got \("):
            Add().build(*shapes)


@pytest.mark.parametrize(("shapes", "got"), REFUSED)
def test_the_rest_is_refused_by_name(shapes: Any, got: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Multiply(broadcast=True).build(*shapes)
    assert str(caught.value) == (
        f"Multiply: expected inputs of one shape, or some of (batch, features), or of one feature, got {got}"
    )


def test_rows_are_not_broadcast_when_called() -> None:
    layer = Add(broadcast=True)
    layer.build((None, None, 2), (None, 2))
    for shape in ((3, 2), (1, 2)):
        with pytest.raises(ShapeError, match=r"^Add: expected inputs of one shape, or some of "):
            layer(np.ones((2, 4, 2)), np.ones(shape))


def test_two_inputs_where_there_can_be_no_more() -> None:
    with pytest.raises(ShapeError, match=r"^Subtract: expected two inputs, got \(batch, 2\), \(batch, 2\), "):
        Subtract().build(*[(None, 2)] * 3)
    with pytest.raises(ShapeError, match=r"^Add: expected two or more inputs of one shape, got \(batch, 2\)$"):
        Add(broadcast=True).build((None, 2))


def test_sequences_of_other_lengths_are_refused_and_a_vector_has_none() -> None:
    layer = Subtract(broadcast=True)
    layer.build((None, None, 2), (None, None, 1), dtype="float64")
    a, b = np.ones((2, 3, 2)), np.full((2, 3, 1), 3.0)
    with pytest.raises(ShapeError) as caught:
        layer(a, b, lengths=([3, 2], [2, 3]))
    assert str(caught.value) == "Subtract: expected inputs of the same lengths, got [3, 2] and [2, 3]"
    assert layer(a, b, lengths=([3, 1], [3, 1]))[1].tolist() == [[-2, -2], [0, 0], [0, 0]]
    layer = Subtract(broadcast=True)
    layer.build((None, 2), (None, None, 2), dtype="float64")
    assert layer(a[:, 0], a, lengths=[3, 1]).tolist() == [[[0, 0]] * 3] * 2
    assert layer(3 * a[:, 0], a, lengths=[3, 1])[1].tolist() == [[2, 2], [0, 0], [0, 0]]


def test_a_vector_at_every_step_does_not_stream() -> None:
    layer = Add(broadcast=True)
    layer.build((None, None, 2), (None, 2))
    with pytest.raises(StreamError) as caught:
        layer.stream_state(1)
    assert str(caught.value) == ("Add: cannot stream: it makes steps of what has none, of (batch, time, 2), (batch, 2)")


def test_ones_past_the_ends() -> None:
    x, backend = np.zeros((2, 3, 1)), lamina.get_backend("numpy")
    assert ones_past(backend, x, None) is x
    assert ones_past(backend, x, np.array([3, 1]))[..., 0].tolist() == [[0, 0, 0], [0, 1, 1]]
    assert ones_past(backend, x[:, 0], np.array([3, 1])).tolist() == [[0], [0]]


def test_what_a_layer_of_the_kind_defines() -> None:
    with pytest.raises(ArgumentError, match="expected broadcast to be True or False"):
        Add(broadcast="no")  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="Elementwise does not define combine"):
        Elementwise().combine([], None)
    with pytest.raises(NotImplementedError, match="Elementwise does not define gradients"):
        Elementwise().gradients(np.ones(1), None)
