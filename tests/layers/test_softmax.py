"""Softmax."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.layers import Softmax


def test_values_and_slopes_by_hand() -> None:
    layer = Softmax()
    layer.build((None, 2), dtype="float64")
    y, saved = layer.forward(np.log([[1.0, 3.0], [7.0, 7.0]]))
    np.testing.assert_allclose(y, [[1 / 4, 3 / 4], [1 / 2, 1 / 2]], rtol=1e-15)
    dx = layer.backward(np.array([[16.0, 0.0], [0.0, 4.0]]), saved)
    np.testing.assert_allclose(dx, [[3, -3], [-1, 1]], rtol=1e-14)


def test_it_is_taken_over_the_last_axis_of_a_sequence() -> None:
    layer = Softmax()
    layer.build((None, None, 4), dtype="float64")
    assert layer(np.zeros((2, 3, 4))).tolist() == np.full((2, 3, 4), 0.25).tolist()


def test_over_the_time_only_valid_steps_count() -> None:
    layer = Softmax(axis=1)
    layer.build((None, None, 1), dtype="float64")
    x = np.log([[[1.0], [3.0], [9.0]], [[1.0], [1.0], [2.0]], [[5.0], [5.0], [5.0]]])
    y, saved = layer.forward(x, lengths=np.array([2, 3, 0]))
    np.testing.assert_allclose(y[..., 0], [[1 / 4, 3 / 4, 0], [1 / 4, 1 / 4, 1 / 2], [0, 0, 0]], rtol=1e-14)
    dy = np.array([[[16.0], [0.0], [5.0]], [[0.0], [0.0], [0.0]], [[1.0], [2.0], [3.0]]])
    np.testing.assert_allclose(layer.backward(dy, saved)[..., 0], [[3, -3, 0], [0] * 3, [0] * 3], rtol=1e-14)


@pytest.mark.parametrize("axis", [0, 1.5, "time", (1, 2), None])
def test_an_axis_that_means_nothing_is_refused(axis: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        Softmax(axis)
    assert str(caught.value) == f"Softmax: expected axis to be an axis, and not 0, the batch, got {axis!r}"


@pytest.mark.parametrize("axis", [2, -2, -3])
def test_a_shape_without_the_axis_is_refused(axis: int) -> None:
    with pytest.raises(ShapeError) as caught:
        Softmax(axis).build((None, 4))
    assert str(caught.value) == f"Softmax: expected an input with axis {axis}, and not the batch's, got (batch, 4)"


def test_over_the_time_it_cannot_stream() -> None:
    layer = Softmax(axis=1)
    layer.build((None, None, 1))
    with pytest.raises(StreamError, match=r"^Softmax: cannot stream: it takes all steps of a row together, by axis=1$"):
        lamina.Stream(layer)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's; torch.nn.Softmax wants it said.
    assert defaults(Softmax) == {"axis": -1}
