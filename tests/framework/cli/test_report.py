import doctest

import numpy as np

from lamina.cli import report
from lamina.cli.data import Part


def test_examples() -> None:
    found = doctest.testmod(report)
    assert found.failed == 0 and found.attempted


def test_the_matrix_counts_true_classes_by_row() -> None:
    matrix = report.confusion_matrix(np.array([0, 0, 2]), np.array([0, 1, 2]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert report.accuracy_text(matrix) == "66.7 % (2 of 3)"


def test_long_names_are_numbered() -> None:
    names = ["speaker\n1", "x", *(str(number) for number in range(8))]
    lines = report.confusion_text(np.eye(10, dtype=int) * 100, names).splitlines()
    assert lines[1].split() == [str(number) for number in range(1, 11)]
    assert lines[2].split() == ["1", "speaker", "1", "100", *"........."]
    assert lines[3].startswith("   2 x  ")
    assert len({len(line) for line in lines[1:]}) == 1


def test_many_classes_are_listed() -> None:
    matrix = np.eye(30, dtype=int)
    names = [f"class {number}" for number in range(30)]
    assert report.confusion_text(matrix, names) == "no confusions among 30 classes"
    matrix[3, 4], matrix[5, 3] = 2, 7
    assert report.confusion_text(matrix, names).splitlines()[1:] == [
        "  class 5 -> class 3: 7",
        "  class 3 -> class 4: 2",
    ]


def test_sizes_of_a_part() -> None:
    x = np.zeros((2, 5, 1))
    assert report.part_text(Part(x, np.zeros(2), None)) == "2 rows, 5 steps"
    assert report.part_text(Part(x, np.zeros(2), np.array([0, 4]))) == "2 rows, 0 to 4 steps"
    assert report.part_text(Part(x[:1], np.zeros(1), np.array([4]))) == "1 row, 4 steps"


def test_lines_are_labelled_in_a_column() -> None:
    assert report.labelled_lines([("a", "1"), ("long", "2\n3")]) == "a     1\nlong  2\n      3"
