"""Flatten."""

import numpy as np
import pytest

from lamina.errors import ShapeError
from lamina.layers import Flatten


def test_axes_but_the_batch_become_one_and_come_back() -> None:
    layer = Flatten()
    assert layer.build((None, 2, 3), dtype="float64") == (None, 6)
    x = np.arange(12.0).reshape(2, 2, 3)
    y, saved = layer.forward(x)
    assert y.tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]] == layer(x, lengths=[1, 2]).tolist()
    assert layer.backward(y, saved).tolist() == x.tolist()


def test_a_row_stays_a_row_and_no_rows_stay_none() -> None:
    layer = Flatten()
    assert layer.build((None, 3), dtype="float64") == (None, 3)
    assert layer(np.ones((2, 3))).shape == (2, 3)
    assert layer(np.ones((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((None, None, 3), "Flatten: expected a fixed size of axis 1, got (batch, time, 3)"),
        ((None, 3, None), "Flatten: expected a fixed size of axis 2, got (batch, 3, ?)"),
    ],
)
def test_every_size_must_be_fixed(shape, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Flatten().build(shape)
    assert str(caught.value) == message


def test_time_is_gone() -> None:
    assert Flatten().output_lengths(np.array([1, 2])) is None
