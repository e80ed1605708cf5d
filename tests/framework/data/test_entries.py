from typing import Any

import numpy as np
import pytest

from lamina.data.entries import each, is_truth, number_arrays, read_entries, read_numbers, show_place


def listed(entries: Any) -> Any:
    return [row.tolist() for row in entries] if isinstance(entries, list) else entries.tolist()


@pytest.mark.parametrize(
    ("y", "wanted"),
    [
        (["a", "b"], ["a", "b"]),
        ([np.str_("a"), b"b"], ["a", "b"]),
        (np.array([b"a", b"b"]), ["a", "b"]),
        (np.array([["a"], ["b"]]), [["a"], ["b"]]),
        ([np.True_, False], [True, False]),
        ([["a"], []], [["a"], []]),
        ([["a"], np.array([b"b"])], [["a"], ["b"]]),
        ([[["a"], ["b"]], [["c"]]], [[["a"], ["b"]], [["c"]]]),
    ],
)
def test_text_and_truth_values_are_pythons_own(y: Any, wanted: Any) -> None:
    found = read_entries(y, "y")
    assert listed(found) == wanted
    assert found is not None
    assert {type(value) for _, value in each(found)} <= {str, bool}


@pytest.mark.parametrize("y", [[1, 2.5], np.zeros(2), [[1], [2, 3]], [], [[]], None, 3, "text", [1 + 2j]])
def test_all_else_is_none_of_it(y: Any) -> None:
    assert read_entries(y, "y") is None


def test_tensors_are_left_alone() -> None:
    torch = pytest.importorskip("torch")
    for y in (torch.arange(3), [torch.tensor(1), torch.tensor(2)], [torch.arange(2), torch.arange(3)]):
        assert read_entries(y, "y") is None


def test_numbers_stay_but_for_arrays_of_objects() -> None:
    for y in ([1, 2], np.array([0.5]), [[1], [2, 3]]):
        assert read_numbers(y, "y") is y
    found = read_numbers(np.array([[1, 2], [3, 4]], object), "y")
    assert (found.dtype, found.tolist()) == (np.int64, [[1, 2], [3, 4]])
    ragged = np.empty(2, object)
    ragged[:] = [np.zeros(1), np.zeros(2)]
    assert read_numbers(ragged, "y") is ragged


def test_numbers_as_arrays_one_a_row_where_they_are_ragged() -> None:
    assert listed(number_arrays([1, 2], "y")) == [1, 2]
    assert listed(number_arrays([[1], [2, 3]], "y")) == [[1], [2, 3]]


def test_truth_is_told_from_text() -> None:
    assert is_truth(read_entries([True], "y"))
    assert is_truth(read_entries([[], [False]], "y"))
    assert not is_truth(read_entries(["a"], "y"))
    assert not is_truth(None)


def test_every_entry_has_its_index() -> None:
    assert list(each(np.array(["a", "b"], object))) == [((0,), "a"), ((1,), "b")]
    assert [place for place, _ in each([np.array(["a"], object), np.array(["b", "c"], object)])] == [
        (0, 0),
        (1, 0),
        (1, 1),
    ]
    assert (show_place((3,)), show_place((3, 1))) == ("3", "(3, 1)")
