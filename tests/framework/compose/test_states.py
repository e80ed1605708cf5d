"""States of streams as trees of arrays."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend
from lamina.compose.states import first_of, is_count, map_state, read_state, rows_of, state_on_host
from lamina.errors import ArgumentError, ShapeError

NUMPY = get_backend("numpy")
ARRAY, COUNTS = np.arange(6.0).reshape(2, 3), np.array([4, 0])


def test_a_function_is_applied_at_each_place() -> None:
    tree: Any = ((ARRAY, None), (), ARRAY + 1)
    assert map_state(lambda part: part.sum(), tree) == ((15.0, None), (), 21.0)
    assert map_state(lambda a, b: (a - b).max(), tree, ((ARRAY, "any"), (), ARRAY)) == ((0.0, None), (), 1.0)
    assert map_state(len, None, 3) is None
    with pytest.raises(ShapeError, match=r"^Stream: expected a state of 3 parts, got an array$"):
        map_state(len, tree, ARRAY)


def test_the_first_array_tells_the_batch() -> None:
    assert first_of(((), (None, (ARRAY,)), COUNTS)) is ARRAY
    assert first_of(((), None)) is None


def test_counts_are_whole_numbers_on_the_host() -> None:
    assert [is_count(part) for part in (COUNTS, ARRAY, 3, None)] == [True, False, False, False]


def test_a_state_on_the_host_is_a_copy_that_can_be_read_again() -> None:
    kept = state_on_host(NUMPY, ((ARRAY,), COUNTS))
    assert kept[0][0] is not ARRAY and kept[1] is not COUNTS
    wanted = ((np.zeros((2, 0)),), np.zeros(2, np.int64))
    read = read_state(NUMPY, "float32", wanted, kept)
    assert read[0][0].dtype == np.float32
    assert read[0][0].tolist() == ARRAY.tolist() and read[1].tolist() == [4, 0]
    for state, message in [
        (((ARRAY[0],), COUNTS), r"^Stream: expected a state \(2, any\), got \(3,\)$"),
        (((ARRAY,), -COUNTS), r"^Stream: expected a state of counts of steps, got \[-4, 0\]$"),
        (((ARRAY,), COUNTS + 0.5), r"^Stream: expected a state of counts of steps, got \[4.5, 0.5\]$"),
        (((None,), COUNTS), r"^Stream: expected a state \(2, any\), got no array$"),
    ]:
        with pytest.raises(ShapeError, match=message):
            read_state(NUMPY, "float32", wanted, state)


def test_rows_are_numbers_or_a_mask() -> None:
    assert rows_of(3, -1).tolist() == [False, False, True]
    assert rows_of(3, [0, 1]).tolist() == [True, True, False]
    assert rows_of(3, []).tolist() == [False] * 3
    assert rows_of(3, np.array([False, True, False])).tolist() == [False, True, False]
    for rows in (3, [-4], [True], [0.5]):
        with pytest.raises(ArgumentError, match=r"^Stream: expected rows from 0 to 2, got "):
            rows_of(3, rows)
