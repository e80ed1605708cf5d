"""LastStep; its array operations are proven in backends/test_arrays."""

import numpy as np
import pytest

from lamina import Sequential
from lamina.errors import ShapeError
from lamina.layers import LastStep, SimpleRNN


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(("lengths", "last"), [(None, [2, 2, 2]), ([3, 1, 0], [2, 0, None])])
def test_the_last_valid_step_and_its_gradient(backend: str, lengths, last: list) -> None:
    layer = LastStep()
    assert layer.build((None, None, 2), dtype="float64", backend=backend) == (None, 2)
    x, dy = np.arange(18.0).reshape(3, 3, 2) + 1, np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    x.flags.writeable = dy.flags.writeable = False
    y, saved = layer.forward(x, lengths=lengths)
    expected, gradient = np.zeros((3, 2)), np.zeros(x.shape)
    for row, step in enumerate(last):
        if step is not None:
            expected[row], gradient[row, step] = x[row, step], dy[row]
    assert y.tolist() == expected.tolist()
    assert layer.backward(dy, saved).tolist() == gradient.tolist()


def test_after_a_recurrent_layer_it_gives_what_that_gives_alone() -> None:
    whole = Sequential(SimpleRNN(3, return_sequences=True), LastStep())
    alone = Sequential(SimpleRNN(3))
    for model in (whole, alone):
        model.build((None, None, 2), dtype="float64", seed=0)
    x = np.random.default_rng(0).standard_normal((3, 4, 2))
    for lengths in (None, [4, 0, 2]):
        assert (whole(x, lengths=lengths) == alone(x, lengths=lengths)).all()


def test_it_needs_a_time_axis() -> None:
    with pytest.raises(ShapeError, match=r"^LastStep: expected \(batch, time, features\), got \(batch, 2\)$"):
        LastStep().build((None, 2))


@pytest.mark.parametrize("lengths", [None, [0, 0, 0]])
def test_rows_without_steps_give_zeros_as_an_empty_row_among_others_does(lengths: list[int] | None) -> None:
    layer = LastStep()
    layer.build((None, None, 2), dtype="float64")
    y, saved = layer.forward(np.zeros((3, 0, 2)), lengths=lengths)
    assert y.shape == (3, 2) and not y.any()
    assert layer.backward(np.ones((3, 2)), saved).shape == (3, 0, 2)
    assert (y == layer(np.ones((3, 2, 2)), lengths=[0, 0, 0])).all()


def test_time_is_gone() -> None:
    assert LastStep().output_lengths(np.array([1, 2])) is None
