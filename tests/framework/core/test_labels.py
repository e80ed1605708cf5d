"""What losses and metrics say of labels."""

import numpy as np
import pytest

from lamina.core.labels import all_within, as_label, refuse_first, valid_steps
from lamina.errors import ArgumentError, DataError


def test_a_label_is_a_whole_number_or_none() -> None:
    assert [as_label("A", "b", value) for value in (None, 0, -3, np.uint8(7))] == [None, 0, -3, 7]
    for value in (1.0, True, "1"):
        with pytest.raises(ArgumentError) as caught:
            as_label("A", "b", value)
        assert str(caught.value) == f"A: expected b to be a whole number, got {value!r}"


@pytest.mark.parametrize("dtype", ["int64", "uint8", "int16"])
def test_all_within(dtype: str) -> None:
    for labels, expected in (([0, 2, 1], True), ([[0, 3], [1, 1]], False), ([], True), ([[2], [2]], True)):
        assert all_within(np.array(labels, dtype), 3) is expected
    assert all_within(np.array([[5, 0], [5, 1]], dtype)[:, 1], 2)
    assert not all_within(np.array([0, -1, 2]), 3)


def test_steps_before_their_rows_ends() -> None:
    assert valid_steps([2, 0], (2, 3)).tolist() == [[True, True, False], [False] * 3]
    deep = valid_steps([1, 2], (2, 2, 3))
    assert deep.tolist() == [[[True] * 3, [False] * 3], [[True] * 3, [True] * 3]]


def test_the_first_wrong_value_is_named_with_its_place() -> None:
    with pytest.raises(DataError, match=r"^A: expected b, got 7 at index 1$"):
        refuse_first("A", "b", np.array([0, 7, 9]), np.array([False, True, True]))
    with pytest.raises(DataError, match=r"^A: expected b, got 9 at index \(1, 0\)$"):
        refuse_first("A", "b", np.array([[0, 7], [9, 9]]), np.array([[False, False], [True, True]]))
