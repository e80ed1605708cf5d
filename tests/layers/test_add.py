"""Add."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lamina.errors import ShapeError
from lamina.layers import Add


def built(count=2, shape=(None, 2)) -> Add:
    layer = Add()
    layer.build(*[shape] * count, dtype="float64")
    return layer


def test_inputs_are_added_and_each_gets_the_gradient() -> None:
    layer = built(3)
    a, b, c = np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]]), np.array([[100.0, 200.0]])
    y, saved = layer.forward(a, b, c)
    assert y.tolist() == [[111, 222]]
    dy = np.array([[5.0, 7.0]])
    assert [dx.tolist() for dx in layer.backward(dy, saved)] == [dy.tolist()] * 3


def test_one_array_may_stand_twice() -> None:
    layer, a = built(), np.array([[1.0, 2.0]])
    y, _ = layer.forward(a, a)
    assert y.tolist() == [[2, 4]]
    assert a.tolist() == [[1, 2]]


def test_lengths_stay() -> None:
    lengths = np.array([1, 2])
    assert built().output_lengths(lengths) is lengths


@pytest.mark.parametrize(
    ("shapes", "got"),
    [([(None, 2)], "(batch, 2)"), ([(None, 2), (None, 3)], "(batch, 2), (batch, 3)")],
)
def test_shapes_must_be_alike_when_built(shapes, got: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Add().build(*shapes)
    assert str(caught.value) == f"Add: expected two or more inputs of one shape, got {got}"


def test_nothing_is_broadcast() -> None:
    layer = built(shape=(None, None, 2))
    with pytest.raises(ShapeError) as caught:
        layer.forward(np.ones((3, 4, 2)), np.ones((3, 1, 2)))
    assert str(caught.value) == "Add: expected two or more inputs of one shape, got (3, 4, 2), (3, 1, 2)"
    with pytest.raises(ShapeError, match=r"^Add: expected 2 inputs, got 1$"):
        layer.forward(np.ones((3, 4, 2)))


def test_defaults(defaults: Callable[[Any], dict[str, Any]]) -> None:
    assert defaults(Add) == {"broadcast": False}
