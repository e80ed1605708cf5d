from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina import datasets
from lamina.cli.data import Part, fingerprint, hold_out, read, require_part, require_range
from lamina.errors import ArgumentError, DataError, LaminaError, UnknownNameError

X = np.arange(12.0).reshape(4, 3, 1)
Y = np.array([0, 1, 0, 1])


def save(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_data_sets_are_read_by_name() -> None:
    data, known = read("japanese_vowels"), datasets.japanese_vowels("float64")
    assert (data.name, data.class_names) == ("japanese-vowels", known.class_names)
    assert data.train is not None and data.test is not None
    assert np.array_equal(data.train.x, known.x_train) and np.array_equal(data.test.y, known.y_test)
    assert np.array_equal(data.test.lengths, known.lengths_test)


@pytest.mark.parametrize("source", ["data.txt", "folder/digits"])
def test_other_files_are_told_from_names(source: str) -> None:
    with pytest.raises(ArgumentError, match=r"digits or japanese-vowels.* or a \.npz file"):
        read(source)


def test_a_misspelt_name_has_a_hint() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'digits'"):
        read("digit")


@pytest.mark.parametrize("ending", ["", "_train"])
def test_a_file_with_two_parts(tmp_path: Path, ending: str) -> None:
    arrays = {f"x{ending}": X, f"y{ending}": Y, f"lengths{ending}": [1, 2, 3, 0]}
    path = save(tmp_path / "some.npz", **arrays, x_test=X[:2, :2], y_test=Y[:2], lengths_test=[2, 2])
    data = read(path)
    assert (data.name, data.source, data.class_names, data.numbered) == ("some", path, ("0", "1"), True)
    assert data.train is not None and data.test is not None
    assert data.train.lengths is not None and data.train.lengths.tolist() == [1, 2, 3, 0]
    assert data.test.x.shape == (2, 2, 1)


@pytest.mark.parametrize(
    ("labels", "names", "positions"),
    [
        (["b", "a", "b", "c"], ("a", "b", "c"), [1, 0, 1, 2]),
        ([7, -1, 7, 10], ("-1", "7", "10"), [1, 0, 1, 2]),
        ([True, False, False, True], ("0", "1"), [1, 0, 0, 1]),
    ],
)
def test_labels_become_classes_by_value(tmp_path: Path, labels: Any, names: Any, positions: Any) -> None:
    data = read(save(tmp_path / "some.npz", x=X, y=labels))
    assert data.class_names == names
    assert data.numbered == (not isinstance(labels[0], str))
    assert data.train is not None and data.train.y.tolist() == positions


def test_class_names_say_what_numbers_are_called(tmp_path: Path) -> None:
    data = read(save(tmp_path / "some.npz", x=X, y=Y, class_names=["no", "yes", "never seen"]))
    assert (data.class_names, data.numbered) == (("no", "yes", "never seen"), False)


def test_a_file_may_hold_only_a_test_part(tmp_path: Path) -> None:
    data = read(save(tmp_path / "some.npz", x_test=X, y_test=Y))
    assert data.train is None and data.test is not None
    with pytest.raises(DataError, match="there is no training part"):
        require_part(data.train, "training", data)
    assert require_part(data.test, "test", data) is data.test


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": X}, "holds no array 'y'; there are x"),
        ({"y": Y}, "holds no array 'x'"),
        ({}, "holds no sequences; expected arrays named x and y, got none"),
        ({"x": X, "x_train": X, "y": Y}, "holds both 'x' and 'x_train'"),
        ({"x": X, "y": Y, "lengths_test": [1]}, "holds no array 'x_test'"),
        ({"x": X, "y": Y, "x_test": X[:, :, :0], "y_test": Y}, "x_test: expected"),
        ({"x": X, "y": Y, "x_test": np.zeros((4, 3, 2)), "y_test": Y}, "have 1 and 2 features"),
        ({"x": X, "y": Y, "lengths": [1, 1, 1, 1], "x_test": X, "y_test": Y}, "lengths for one of its two parts"),
        ({"x": X, "y": Y, "x_test": X, "y_test": ["a"] * 4}, "labels of two kinds"),
        ({"x": X, "y": Y, "x_test": X, "y_test": [0, 1, 0, 2]}, "y_test: label 2 of row 3 occurs in no row"),
        ({"x": X, "y": Y[:3]}, "y: expected 4 labels"),
        ({"x": X, "y": Y, "class_names": ["a"]}, "expected labels from 0 to 0"),
        ({"x": X, "y": ["a"] * 4, "class_names": ["a"]}, "expected labels from 0 to 0"),
        ({"x": X, "y": Y, "class_names": ["a", "a"]}, "class_names: expected different strings"),
        ({"x": X, "y": Y, "class_names": [1, 2]}, "class_names: expected different strings"),
        ({"x": X, "y": Y, "lengths": [4, 1, 1, 1]}, "lengths: expected lengths from 0 to 3"),
        ({"x": X[0], "y": Y}, "x: expected (batch, time, features)"),
        ({"x": np.where(X == 7, np.nan, X), "y": Y}, "x: expected finite numbers, got nan at row 2, step 1"),
        ({"x": X, "labels": Y}, "unknown array"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, arrays: Any, words: str) -> None:
    path = save(tmp_path / "some.npz", **arrays)
    with pytest.raises(LaminaError) as caught:
        read(path)
    message = str(caught.value)
    assert words in message and repr(path) in message and "\n" not in message


def test_a_fifth_of_each_class_is_held_out() -> None:
    y = np.repeat([0, 1, 2, 3], [50, 10, 2, 1])
    part = Part(np.arange(63.0).reshape(63, 1, 1), y, np.arange(63))
    train, test = hold_out(part, seed=0)
    assert np.bincount(test.y, minlength=4).tolist() == [10, 2, 1, 0]
    rows = np.concatenate([train.x.ravel(), test.x.ravel()])
    assert sorted(rows) == list(range(63))
    assert train.lengths is not None and np.array_equal(train.lengths, train.x.ravel())
    assert np.all(np.diff(train.x.ravel()) > 0) and np.all(np.diff(test.x.ravel()) > 0)


def test_rows_to_train_on_are_left_however_much_is_held_out() -> None:
    for y in (np.arange(20) % 2, np.zeros((20, 1))):
        train, held = hold_out(Part(np.zeros((20, 1, 1)), y, None), seed=0, share=0.999)
        assert len(train) == (2 if y.ndim == 1 else 1) and len(held) == 20 - len(train)


def test_holding_out_depends_on_the_seed_alone() -> None:
    part = Part(np.arange(50.0).reshape(50, 1, 1), np.arange(50) % 2, None)
    first, again, other = (hold_out(part, seed)[1].x.ravel().tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_too_few_rows_to_hold_out() -> None:
    with pytest.raises(DataError, match="no class has two"):
        hold_out(Part(X, np.arange(4), None), seed=0)


def test_a_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    part = Part(X, Y, None)
    assert fingerprint(part) == fingerprint(Part(X.copy(order="F"), Y.copy(), None))
    others = [Part(X + 1, Y, None), Part(X, 1 - Y, None), Part(X, Y, np.full(4, 3)), Part(X.reshape(4, 1, 3), Y, None)]
    assert len({fingerprint(one) for one in (part, *others)}) == 5


def test_numbers_too_large_for_the_dtype_are_refused() -> None:
    x = np.full((1, 2, 1), -1e300)
    require_range(x, None, "float64", "f.npz")
    require_range(x, np.array([0]), "float32", "f.npz")
    with pytest.raises(DataError, match=r"'f\.npz': holds 1e[+]300, too large for float32"):
        require_range(x, np.array([1]), "float32", "f.npz")


def test_labels_of_rows_all_count_and_those_of_steps_up_to_their_rows_ends() -> None:
    x = np.zeros((3, 4, 1))
    ends = np.array([2, 0, 4])
    assert Part(x, np.arange(3), ends).counted.tolist() == [True, True, True]
    steps = np.zeros((3, 4), int)
    assert Part(x, steps, None).counted.all() and Part(x, steps, None).counted.shape == (3, 4)
    assert Part(x, steps, ends).counted.tolist() == [[step < end for step in range(4)] for end in (2, 0, 4)]
