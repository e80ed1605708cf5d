"""What metrics give for each class, as tables."""

from typing import Any

import numpy as np
import pytest

from lamina.metrics.tables import figures_table


def test_numbers_classes_and_matrices_are_tables_with_the_classes_names(read_page: Any) -> None:
    figures = {
        "loss": 0.25,
        "precision": np.array([0.5, 1.0]),
        "confusion_matrix": np.array([[3, 1], [0, 1200]]),
        "recall": np.array([0.75, 1.0]),
        "accuracy": 0.9375,
        "rows": 4,
    }
    page = read_page(figures_table(figures, ["a < b", "c & d"]))
    assert page.tables == [
        [["figure", "value"], ["loss", "0.2500"], ["accuracy", "0.9375"], ["rows", "4"]],
        [["class", "precision", "recall"], ["a < b", "0.5000", "0.7500"], ["c & d", "1.0000", "1.0000"]],
        [["confusion_matrix", "a < b", "c & d"], ["a < b", "3", "1"], ["c & d", "0", "1,200"]],
    ]
    assert page.texts == ["Each row is a class, each column what it was taken for."]


@pytest.mark.parametrize("names", [None, ["only", "two"]])
def test_numbers_stand_for_classes_without_names(read_page: Any, names: Any) -> None:
    page = read_page(figures_table({"f1": np.zeros(3), "confusion_matrix": np.eye(3)}, names))
    assert [row[0] for row in page.tables[0]] == ["class", "0", "1", "2"]
    assert page.tables[1][0] == ["confusion_matrix", "0", "1", "2"]
    assert page.tables[1][1] == ["0", "1.0000", "0.0000", "0.0000"]


def test_what_was_taken_for_no_class_has_a_column_of_that_name(read_page: Any) -> None:
    page = read_page(figures_table({"val_confusion_matrix": np.array([[1, 0, 2], [0, 3, 0]])}, ["no", "yes"]))
    assert page.tables[0] == [
        ["val_confusion_matrix", "no", "yes", "none"],
        ["no", "1", "0", "2"],
        ["yes", "0", "3", "0"],
    ]


def test_each_output_has_its_own_names(read_page: Any) -> None:
    figures = {"val_tag_f1": np.zeros(2), "tag_two_f1": np.zeros(2), "other_f1": np.zeros(2)}
    names = {"tag": ["a", "b"], "tag_two": ["c", "d"], "rest": None}
    found = [[row[0] for row in table[1:]] for table in read_page(figures_table(figures, names)).tables]
    assert found == [["a", "b"], ["c", "d"], ["0", "1"]]


def test_many_classes_are_cut_and_other_shapes_are_told(read_page: Any) -> None:
    figures = {"confusion_matrix": np.arange(1_000_000).reshape(1000, 1000), "cube": np.zeros((2, 3, 4))}
    (head, first, *rows), cube = read_page(figures_table(figures)).tables
    assert (len(head), len(rows)) == (32, 30)
    assert first[:3] + first[-2:] == ["0", "0", "1", "998", "999"] and first[16] == head[16] == "…"
    assert rows[14] == ["970 more"] and rows[-1][-1] == "999,999"
    assert cube == [["cube"], ["array of shape (2, 3, 4)"]]
    page = read_page(figures_table({"table": np.zeros((2, 5))}, ["a", "b"]))
    assert page.tables[0][0] == ["table", "0", "1", "2", "3", "4"] and page.texts == []
