"""Subtract."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.layers import Subtract


def test_the_second_is_taken_from_the_first(defaults: Callable[[Any], dict[str, Any]]) -> None:
    assert defaults(Subtract) == {"broadcast": False}
    layer = Subtract()
    layer.build((None, 2), (None, 2), dtype="float64")
    y, saved = layer.forward(np.array([[2.0, 0.5]]), np.array([[3.0, -1.0]]))
    assert y.tolist() == [[-1, 1.5]]
    assert [own.tolist() for own in layer.backward(np.array([[1.0, 10.0]]), saved)] == [[[1, 10]], [[-1, -10]]]


def test_a_vector_gets_the_sum_over_its_steps() -> None:
    layer = Subtract(broadcast=True)
    layer.build((None, None, 2), (None, 1), dtype="float64")
    y, saved = layer.forward(np.ones((1, 3, 2)), np.array([[3.0]]))
    assert y.tolist() == [[[-2, -2]] * 3]
    dx, dv = layer.backward(np.arange(6.0).reshape(1, 3, 2), saved)
    assert (dx.tolist(), dv.tolist()) == ([[[0, 1], [2, 3], [4, 5]]], [[-15]])
