"""Layers that measure: by their own call, and by showing what they are given."""

from typing import Any

import numpy as np
import pytest

from lamina.kinds.adapting import AdaptingLayer, Reached, showing
from lamina.kinds.moments import Moments


class Centre(AdaptingLayer):
    """y = x - mean, as a user would write it."""

    def __init__(self) -> None:
        self.middle: Any = None

    @property
    def is_adapted(self) -> bool:
        return self.middle is not None

    def take(self, moments: Moments) -> None:
        self.middle = moments.mean

    def build(self, shape: Any) -> Any:
        return shape

    def forward(self, x: Any, lengths: Any = None) -> tuple[Any, Any]:
        self.show(x, lengths)
        return x - self.middle, None

    def backward(self, dy: Any, saved: Any) -> Any:
        return dy


def test_a_layer_of_ones_own_adapts() -> None:
    layer = Centre()
    layer.build((None, None, 1), dtype="float64")
    assert layer.adapt([[[1.0], [5.0]]], lengths=[1]) is layer
    assert layer([[[4.0]]]).tolist() == [[[3]]]


def test_it_shows_what_it_is_given_as_long_as_somebody_looks() -> None:
    layer, seen = Centre().adapt([[0.0]]), []
    layer.build((None, None, 1), dtype="float64")

    def show(shown: Any, x: Any, lengths: Any) -> None:
        seen.append((shown, x.tolist(), lengths.tolist()))
        raise Reached

    with showing([layer], show), pytest.raises(Reached):
        layer(np.ones((1, 2, 1)), lengths=[1])
    assert seen == [(layer, [[[1], [1]]], [1])]
    layer(np.ones((1, 2, 1)), lengths=[1])
    assert len(seen) == 1
    y, saved = layer.forward(np.ones((1, 2, 1)), lengths=np.array([2]))  # the pass that was cut leaves nothing behind
    assert layer.backward(y, saved).tolist() == y.tolist()
