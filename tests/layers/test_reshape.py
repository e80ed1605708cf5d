"""Reshape."""

import numpy as np
import pytest

from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.layers import Reshape

LENGTHS = np.array([2, 1])


def test_numbers_stay_in_order_and_come_back() -> None:
    layer = Reshape([-1, 3])
    assert layer.build((None, 6), dtype="float64") == (None, 2, 3)
    x = np.arange(12.0).reshape(2, 6)
    y, saved = layer.forward(x)
    assert y.tolist() == x.reshape(2, 2, 3).tolist()
    assert layer.backward(y, saved).tolist() == x.tolist()
    assert layer(np.ones((0, 6))).shape == (0, 2, 3)
    assert repr(layer) == "Reshape((-1, 3))"


@pytest.mark.parametrize(
    ("target", "shape", "built", "kept"),
    [
        ((-1, 2, 3), (None, None, 6), (None, None, 2, 3), True),
        ((4, 2, 3), (None, 4, 6), (None, 4, 2, 3), True),
        ((4, 3, -1), (None, 4, 6), (None, 4, 3, 2), True),
        ((-1, 6), (None, None, 2, 3), (None, None, 6), True),
        ((-1, 3), (None, None, 6), (None, None, 3), False),
        ((8, 3), (None, 4, 6), (None, 8, 3), False),
        ((4, -1), (None, None, 6), (None, 4, None), False),
        ((4, -1), (None, 4, None), (None, 4, None), False),
        ((24,), (None, 4, 6), (None, 24), False),
        ((4,), (None, 4, 1), (None, 4), False),
        ((2, 3), (None, 6), (None, 2, 3), False),
    ],
)
def test_lengths_are_kept_where_steps_stay_steps(target, shape, built, kept: bool) -> None:
    layer = Reshape(target)
    assert layer.build(shape) == built
    assert layer.output_lengths(LENGTHS) is (LENGTHS if kept else None)


@pytest.mark.parametrize(
    ("target", "shape", "message"),
    [
        ((2, 3), (None, 5), "Reshape: expected sizes that make (2, 3), got (batch, 5)"),
        ((2, 3), (None, 12), "Reshape: expected sizes that make (2, 3), got (batch, 12)"),
        ((-1, 4), (None, 6), "Reshape: expected sizes that make (-1, 4), got (batch, 6)"),
        ((2, 3), (None, None, 6), "Reshape: expected fixed sizes, or -1 in (2, 3), got (batch, time, 6)"),
    ],
)
def test_sizes_must_fit_when_built(target, shape, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Reshape(target).build(shape)
    assert str(caught.value) == message


def test_open_sizes_must_fit_when_they_come() -> None:
    layer = Reshape((2, -1))
    layer.build((None, None, 3))
    assert layer(np.ones((5, 4, 3))).shape == (5, 2, 6)
    with pytest.raises(ShapeError) as caught:
        layer(np.ones((5, 3, 3)))
    assert str(caught.value) == "Reshape: expected sizes that make (2, -1), got (5, 3, 3)"


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (6, "Reshape: expected a shape such as (2, 3), got 6"),
        ((), "Reshape: expected a shape such as (2, 3), got ()"),
        ((0, 3), "Reshape: expected every size to be a whole number of 1 or more, got 0"),
        ((2.0, 3), "Reshape: expected every size to be a whole number of 1 or more, got 2.0"),
        ((-1, -1), "Reshape: expected -1 once at most, got (-1, -1)"),
    ],
)
def test_shapes_that_mean_nothing_are_refused(shape, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Reshape(shape)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("target", "shape", "reason"),
    [
        ((3, 2), (None, 6), "it makes a time axis of its own, (batch, 3, 2) of (batch, 6)"),
        ((-1, 2), (None, 6), "it makes a time axis of its own, (batch, ?, 2) of (batch, 6)"),
        ((-1, 2), (None, None, 6), "it makes (batch, ?, 2) of (batch, time, 6): not step for step"),
        ((4, 2, 3), (None, 4, 6), "it needs a fixed time axis: -1 leaves it open"),
    ],
)
def test_what_keeps_no_step_a_step_is_no_stream(target, shape, reason: str) -> None:
    layer = Reshape(target)
    layer.build(shape)
    with pytest.raises(StreamError) as caught:
        layer.stream_state(1)
    assert str(caught.value) == f"Reshape: cannot stream: {reason}"
