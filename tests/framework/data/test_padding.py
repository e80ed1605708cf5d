import doctest
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data import padding as sequences
from lamina.errors import ArgumentError, DataError, DTypeError, LaminaError, ShapeError


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(sequences).failed == 0


def test_sequences_are_padded_with_zeros() -> None:
    given = [np.full((n, 2), n, np.float32) for n in (3, 1, 2)]
    x, lengths = lamina.pad(given)
    assert (x.shape, x.dtype, lengths.dtype) == ((3, 3, 2), np.float32, np.int64)
    assert lengths.tolist() == [3, 1, 2]
    assert x[..., 0].tolist() == [[3, 3, 3], [1, 0, 0], [2, 2, 0]]
    assert all(np.array_equal(row[:n], own) for row, n, own in zip(x, lengths, given, strict=True))


def test_sequences_without_steps_are_legal() -> None:
    x, lengths = lamina.pad([[], np.ones((2, 3)), np.empty((0, 3))])
    assert (x.shape, lengths.tolist()) == ((3, 2, 3), [0, 2, 0])
    assert x.sum() == 6 == x[1].sum()
    x, lengths = lamina.pad([[], []])
    assert (x.shape, lengths.tolist()) == ((2, 0), [0, 0])


def test_an_empty_list_does_not_decide_the_dtype() -> None:
    assert lamina.pad([[], [1, 2]])[0].dtype.kind == "i"


def test_time_and_dtype_can_be_set() -> None:
    x, lengths = lamina.pad([[1, 2], [3]], time=4, dtype="float32")
    assert x.dtype == np.float32
    assert x.tolist() == [[1, 2, 0, 0], [3, 0, 0, 0]]
    assert lengths.tolist() == [2, 1]


def test_any_iterable_and_any_rank_is_taken() -> None:
    x, lengths = lamina.pad(np.ones((n, 2, 3)) for n in (1, 2))
    assert (x.shape, lengths.tolist()) == ((2, 2, 2, 3), [1, 2])
    assert lamina.pad(np.ones((2, 3, 4)))[1].tolist() == [3, 3]


ERRORS: list[tuple[Any, dict[str, Any], type[LaminaError], str]] = [
    ([], {}, DataError, "pad: expected at least one sequence, got none"),
    (
        [np.ones((2, 3)), np.ones((2, 4))],
        {},
        ShapeError,
        "pad: expected sequences (time, 3), got (2, 4) at index 1",
    ),
    ([np.ones((2, 3)), np.ones(2)], {}, ShapeError, "pad: expected sequences (time, 3), got (2,) at index 1"),
    ([[1, 2], 3], {}, ShapeError, "pad: expected sequences with a time axis, got a single number at index 1"),
    ([[1], [1, None]], {}, DTypeError, "pad: expected numbers, got an array of object at index 1"),
    ([[1], ["a"]], {}, DTypeError, "pad: expected numbers, got an array of <U1 at index 1"),
    ([[1], [[1], [2, 3]]], {}, ShapeError, "pad: expected rectangular arrays, got an uneven one at index 1"),
    ([[1], [1, 2, 3]], {"time": 2}, ShapeError, "pad: expected at most 2 steps, got 3 at index 1"),
    ([[1]], {"time": -1}, ArgumentError, "pad: expected time to be a whole number of 0 or more, got -1"),
    ([[1]], {"dtype": "float31"}, DTypeError, "pad: expected a dtype such as 'float32', got 'float31'"),
    ("text", {}, ArgumentError, "pad: expected a list of sequences, got str"),
    (3, {}, ArgumentError, "pad: expected a list of sequences, got int"),
]


@pytest.mark.parametrize(("given", "options", "error", "message"), ERRORS, ids=[message for *_, message in ERRORS])
def test_what_does_not_fit_is_named(
    given: Any, options: dict[str, Any], error: type[LaminaError], message: str
) -> None:
    with pytest.raises(error) as caught:
        lamina.pad(given, **options)
    assert str(caught.value) == message


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(lamina.pad) == {"time": None, "dtype": None}
