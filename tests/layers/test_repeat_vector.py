"""RepeatVector."""

import numpy as np
import pytest

from lamina.errors import ArgumentError, ShapeError
from lamina.layers import RepeatVector


def test_each_step_is_the_vector_and_gradients_add_up() -> None:
    layer = RepeatVector(3)
    assert layer.build((None, 2), dtype="float64") == (None, 3, 2)
    y, saved = layer.forward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert y.tolist() == [[[1, 2]] * 3, [[3, 4]] * 3]
    dy = np.array([[[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]], [[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]]])
    assert layer.backward(dy, saved).tolist() == [[111, 222], [0, 3]]


def test_all_steps_are_valid() -> None:
    assert RepeatVector(3).output_lengths(np.array([1, 2])) is None


@pytest.mark.parametrize("count", [0, -1, 2.0, True, None])
def test_count_must_be_a_whole_number(count) -> None:
    with pytest.raises(ArgumentError) as caught:
        RepeatVector(count)
    assert str(caught.value) == f"RepeatVector: expected count to be a whole number of 1 or more, got {count!r}"


def test_a_sequence_is_refused() -> None:
    with pytest.raises(ShapeError) as caught:
        RepeatVector(3).build((None, None, 2))
    assert str(caught.value) == "RepeatVector: expected (batch, features), got (batch, time, 2)"
