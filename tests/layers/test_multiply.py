"""Multiply."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lamina.errors import ShapeError
from lamina.layers import Multiply


def test_inputs_are_multiplied_and_zeros_keep_their_gradients() -> None:
    layer = Multiply()
    assert layer.build((None, 2), (None, 2), (None, 2), dtype="float64") == (None, 2)
    y, saved = layer.forward(np.array([[2.0, 0.0]]), np.array([[3.0, 5.0]]), np.array([[7.0, 0.0]]))
    assert y.tolist() == [[42, 0]]
    dx = layer.backward(np.array([[1.0, 10.0]]), saved)
    assert [own.tolist() for own in dx] == [[[21, 0]], [[14, 0]], [[6, 0]]]


def test_one_zero_among_two() -> None:
    layer = Multiply()
    layer.build((None, 1), (None, 1), dtype="float64")
    _, saved = layer.forward(np.array([[0.0]]), np.array([[5.0]]))
    assert [own.tolist() for own in layer.backward(np.array([[2.0]]), saved)] == [[[10]], [[0]]]


def test_lengths_stay_and_nothing_is_broadcast() -> None:
    layer = Multiply()
    layer.build((None, None, 2), (None, None, 2))
    lengths = np.array([1, 2])
    assert layer.output_lengths(lengths) is lengths
    with pytest.raises(ShapeError) as caught:
        layer(np.ones((3, 4, 2)), np.ones((3, 1, 2)))
    assert str(caught.value) == "Multiply: expected two or more inputs of one shape, got (3, 4, 2), (3, 1, 2)"


def test_defaults(defaults: Callable[[Any], dict[str, Any]]) -> None:
    assert defaults(Multiply) == {"broadcast": False}
