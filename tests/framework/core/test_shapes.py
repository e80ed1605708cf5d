"""Reading shapes and lengths."""

from typing import Any

import numpy as np
import pytest

from lamina.core.shapes import as_lengths, as_shape, as_shapes, input_lengths, require_alike, show
from lamina.errors import DTypeError, ShapeError


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ((None, 3), (None, 3)),
        ([32, None, np.int64(12)], (None, None, 12)),
        ((5,), (None,)),
        ((0, 3), (None, 3)),  # the batch is open, whatever the data at hand
    ],
)
def test_a_shape_leaves_the_batch_open(value: Any, shape: tuple[int | None, ...]) -> None:
    assert as_shape(value) == shape
    assert all(size is None or type(size) is int for size in as_shape(value))


@pytest.mark.parametrize(
    "value", [(), [], None, 12, "ab", (None, 0), (None, -1), (None, 2.0), (None, True), (None, "3")]
)
def test_what_is_no_shape_is_refused(value: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        as_shape(value, "Dense '0'")
    assert str(caught.value) == f"Dense '0': expected a shape such as (None, None, 12), got {value!r}"


def test_an_array_in_place_of_a_shape_is_refused_in_one_line() -> None:
    with pytest.raises(ShapeError) as caught:
        as_shape(np.zeros((20, 30)))
    assert str(caught.value) == (
        "build: expected a shape such as (None, None, 12), got an array: pass its shape, (20, 30)"
    )


def test_shapes_are_one_or_several() -> None:
    assert as_shapes((2, 3), "a") == (None, 3)
    assert as_shapes([[2, 3], (4, None, 5)], "a") == ((None, 3), (None, None, 5))


@pytest.mark.parametrize("value", [[2, 0, 3], (2, 0, 3), np.array([2, 0, 3], np.uint8), np.array([2, 9, 0, 9, 3])[::2]])
def test_lengths_become_contiguous_int64(value: Any) -> None:
    lengths = as_lengths(value, 3, 3, "model")
    assert (lengths.dtype, lengths.tolist(), lengths.flags.c_contiguous) == (np.int64, [2, 0, 3], True)


def test_there_may_be_no_rows() -> None:
    assert as_lengths(np.zeros(0, int), 0, 3, "model").shape == (0,)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ([1.0, 2.0], DTypeError, "m: expected whole numbers as lengths, got float64"),
        ([True, False], DTypeError, "m: expected whole numbers as lengths, got bool"),
        (["1", "2"], DTypeError, "m: expected whole numbers as lengths, got <U1"),
        ([None, 2], DTypeError, "m: expected whole numbers as lengths, got object"),
        ([1, 2, 3], ShapeError, "m: expected 2 lengths, one for each row, got shape (3,)"),
        ([[1, 2]], ShapeError, "m: expected 2 lengths, one for each row, got shape (1, 2)"),
        (2, ShapeError, "m: expected 2 lengths, one for each row, got shape ()"),
        ([5, 6], ShapeError, "m: expected lengths from 0 to 5, got 6 at row 1"),
        ([-1, 6], ShapeError, "m: expected lengths from 0 to 5, got -1 at row 0"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        as_lengths(value, 2, 5, "m")
    assert type(caught.value) is error
    assert str(caught.value) == message


X, Y = np.zeros((2, 5, 3)), np.zeros((2, 7, 3))


def test_one_array_of_lengths_is_for_all_inputs() -> None:
    assert input_lengths(None, [X], "m") is None
    assert input_lengths([1, 5], [X], "m").tolist() == [1, 5]
    assert input_lengths((1, 5), [X], "m").tolist() == [1, 5]
    assert input_lengths(np.array([1, 5]), [X, Y], "m").tolist() == [1, 5]


def test_a_tuple_of_arrays_is_one_for_each_input() -> None:
    first, second = input_lengths(([1, 5], np.array([7, 0])), [X, Y], "m")
    assert (first.tolist(), second.tolist()) == ([1, 5], [7, 0])
    first, second = input_lengths((None, [7, 0]), [X, np.zeros((2, 7))], "m")
    assert (first, second.tolist()) == (None, [7, 0])
    assert input_lengths((None, None), [X, np.zeros(2)], "m") == (None, None)


@pytest.mark.parametrize(
    ("lengths", "inputs", "message"),
    [
        (([1, 5], [1, 5]), [X], "m: expected lengths for 1 inputs, got 2"),
        (([1, 5], [8, 0]), [X, Y], "m: expected lengths from 0 to 7, got 8 at row 0"),
        ([1, 5], [np.zeros(2)], "m: lengths need a time axis, got (2,)"),
        ((None, [1, 5]), [X, np.zeros(2)], "m: lengths need a time axis, got (2,)"),
    ],
)
def test_lengths_that_do_not_fit_the_inputs_are_refused(lengths: Any, inputs: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        input_lengths(lengths, inputs, "m")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((None, 12), "(batch, 12)"),
        ((None, None, 12), "(batch, time, 12)"),
        ((None, 5, None), "(batch, 5, ?)"),
        ((None,), "(batch,)"),
        ((None, None), "(batch, ?)"),
        (((None, None, 4), (None, 4)), "(batch, time, 4), (batch, 4)"),
        (None, "?"),
    ],
)
def test_shapes_are_shown_as_a_person_reads_them(shape: Any, text: str) -> None:
    assert show(shape) == text


def test_shapes_of_several_inputs_must_be_alike() -> None:
    assert require_alike("Add", [(None, 3), (None, 3)]) == (None, 3)
    for shapes, got in ([(2, 3)], "(2, 3)"), ([(2, 3), (2, 1)], "(2, 3), (2, 1)"):
        with pytest.raises(ShapeError) as caught:
            require_alike("Add", shapes)
        assert str(caught.value) == f"Add: expected two or more inputs of one shape, got {got}"
