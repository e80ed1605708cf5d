"""Steps of rows that differ in length, against Python's own slices of lists."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ShapeError
from lamina.kinds.slicing import (
    axis_of,
    is_time,
    part_lengths,
    pick_steps,
    place_steps,
    slice_of_rows,
    stays_within,
    step_of_rows,
)

LENGTHS = np.arange(7)
BOUNDS = (None, *range(-7, 8))
STEPS = (1, 2, 3, -1, -2, -3)


@pytest.mark.parametrize("step", STEPS)
def test_a_slice_of_a_row_of_each_length(step: int) -> None:
    for start, stop in itertools.product(BOUNDS, BOUNDS):
        picked = slice_of_rows(start, stop, step, LENGTHS)
        for length, first, count in zip(LENGTHS, picked.first, picked.counts, strict=True):
            expected = list(range(length))[start:stop:step]
            assert [first + place * step for place in range(count)] == expected


@pytest.mark.parametrize("step", STEPS)
def test_where_a_shorter_row_gives_more(step: int) -> None:
    # Of longer rows too: a bound beyond all of them says nothing.
    lengths = np.arange(20)
    for start, stop in itertools.product(BOUNDS, BOUNDS):
        counts = slice_of_rows(start, stop, step, lengths).counts
        assert not stays_within(start, stop, step) or (np.diff(counts) >= 0).all()
    assert not stays_within(-5, 3, 1) and not stays_within(3, -5, -1)
    assert slice_of_rows(-5, 3, 1, np.array([4, 10])).counts.tolist() == [3, 0]


def test_a_step_of_a_row_of_each_length() -> None:
    for index in range(-7, 8):
        picked = step_of_rows(index, LENGTHS)
        for length, first, count in zip(LENGTHS, picked.first, picked.counts, strict=True):
            there = -length <= index < length
            assert count == there and (not there or list(range(length))[index] == first)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(("start", "stop", "step"), [(-3, None, 1), (None, None, -1), (-1, 0, -2), (None, -1, 2)])
def test_steps_are_picked_and_put_back(backend: str, start: Any, stop: Any, step: int) -> None:
    own, lengths = lamina.get_backend(backend), np.array([5, 0, 3, 1])
    x, dy = np.arange(1.0, 41).reshape(4, 5, 2), np.arange(100.0, 140).reshape(4, 5, 2)
    size = len(range(*slice(start, stop, step).indices(5)))
    picked = slice_of_rows(start, stop, step, lengths)
    expected, gradient = np.zeros((4, size, 2)), np.zeros_like(x)
    for row, end in enumerate(lengths):
        steps = list(range(end))[start:stop:step]
        expected[row, : len(steps)] = x[row, steps]
        gradient[row, steps] = dy[row, : len(steps)]
    np.testing.assert_array_equal(pick_steps(own, x, picked, size), expected)
    np.testing.assert_array_equal(place_steps(own, dy[:, :size], picked, 5), gradient)


def test_nothing_is_picked_of_nothing() -> None:
    own, picked = lamina.get_backend("numpy"), slice_of_rows(-1, None, 1, np.zeros(3, np.int64))
    assert pick_steps(own, np.ones((3, 0, 2)), picked, 1).tolist() == [[[0, 0]]] * 3
    assert place_steps(own, np.ones((3, 1, 2)), picked, 0).shape == (3, 0, 2)


def test_the_lengths_of_parts() -> None:
    parts = part_lengths(np.array([0, 1, 3, 6]), (2, 1, 3))
    assert [own.tolist() for own in parts] == [[0, 1, 2, 2], [0, 0, 1, 1], [0, 0, 0, 3]]


def test_axes() -> None:
    layer = SimpleNamespace(axis=-2, label="X", takes_integers=False)
    assert axis_of(layer, (None, None, 3)) == 1
    assert [is_time(layer, rank, -2) for rank in (3, 4)] == [True, False]
    assert not is_time(layer, 2, 1)
    layer.takes_integers = True
    assert is_time(layer, 2, 1)
    for shape, shown in (((None, 3), "(batch, 3)"), ((None,), "(batch,)")):
        with pytest.raises(ShapeError) as caught:
            axis_of(layer, shape)
        assert str(caught.value) == f"X: expected an axis after the batch, got axis -2 of {shown}"
