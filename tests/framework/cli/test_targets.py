"""What the tasks make of a file's targets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.cli.data import read
from lamina.errors import LaminaError

X = np.arange(12.0).reshape(4, 3, 1)
STEPS = np.arange(12).reshape(4, 3) % 2


def save(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_a_label_for_each_step(tmp_path: Path) -> None:
    # What stands past a row's end is no label.
    y = np.where(np.arange(3) < np.array([1, 3, 2, 3])[:, None], STEPS * 5, 99)
    data = read(save(tmp_path / "a.npz", x=X, y=y, lengths=[1, 3, 2, 3]), "tag")
    assert data.class_names == ("0", "5") and data.train is not None
    assert data.train.y[1].tolist() == [1, 0, 1] and data.train.y[0].tolist() == [0, 0, 0]


def test_tags_may_be_strings(tmp_path: Path) -> None:
    data = read(save(tmp_path / "a.npz", x=X, y=np.array(["no", "yes"])[STEPS]), "tag")
    assert data.class_names == ("no", "yes") and data.train is not None
    assert np.array_equal(data.train.y, STEPS)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 2)])
def test_numbers_for_each_row(tmp_path: Path, shape: Any) -> None:
    y = np.arange(np.prod(shape)).reshape(shape) / 2
    data = read(save(tmp_path / "a.npz", x=X, y=y), "regress")
    assert data.train is not None and np.array_equal(data.train.y, y.reshape(4, -1))
    assert data.targets == (("y",) if y.size == 4 else ("y0", "y1"))


@pytest.mark.parametrize("shape", [(12,), (12, 1), (1, 12, 1)])
def test_a_series_needs_no_targets(tmp_path: Path, shape: Any) -> None:
    data = read(save(tmp_path / "a.npz", x=X.reshape(shape)), "forecast")
    assert data.train is not None and data.train.x.ravel().tolist() == X.ravel().tolist()
    assert data.train.x.shape == (1, 12, 1) and data.targets == ("x0",)


def test_labels_stay_whole_in_parts_of_two_kinds(tmp_path: Path) -> None:
    """As floats 2**64 - 1 and 2**64 - 2 are one number, and 2**53 + 1 is none."""
    high = np.array([2**64 - 1, 2**64 - 2, 2**53 + 1, 2**53], "uint64")
    path = save(tmp_path / "a.npz", x=X, y=high, x_test=X[:2], y_test=np.array([2**53, 2**53 + 1]))
    data = read(path)
    assert data.class_names == tuple(map(str, sorted(high.tolist())))
    assert data.train is not None and data.train.y.tolist() == [3, 2, 1, 0]
    assert data.test is not None and data.test.y.tolist() == [0, 1]
    strange = save(tmp_path / "b.npz", x=X, y=high, x_test=X[:1], y_test=np.array([-1]))
    with pytest.raises(LaminaError, match="y_test: label -1 of row 0 occurs in no row to train on"):
        read(strange)


@pytest.mark.parametrize(
    ("task", "arrays", "message"),
    [
        ("tag", {"x": X, "y": [0, 1, 0, 1]}, "y: expected (4, 3) labels, one for each step, got shape (4,)"),
        ("tag", {"x": X, "y": STEPS / 2}, "y: expected whole numbers or strings as labels"),
        ("tag", {"x": X, "y": STEPS, "class_names": ["a"]}, "expected labels from 0 to 0"),
        ("tag", {"x": X, "y": STEPS, "x_test": X, "y_test": STEPS * 2}, "label 2 of row 0, step 1 occurs in no row"),
        ("tag", {"x": X, "y": STEPS, "lengths": [0, 0, 0, 0]}, "every row to train on is empty"),
        ("regress", {"x": X, "y": ["a"] * 4}, "y: expected numbers, got an array of <U1"),
        ("regress", {"x": X, "y": [1.0, 2.0]}, "y: expected numbers for each of 4 rows, got shape (2,)"),
        ("regress", {"x": X, "y": [1.0, np.nan, 2.0, 3.0]}, "y: expected finite numbers, got [nan] at row 1"),
        ("regress", {"x": X, "y": X[:, 0], "x_test": X, "y_test": X[:, :2, 0]}, "y and y_test have 1 and 2 numbers"),
        ("regress", {"x": X}, "holds no array 'y'"),
        ("forecast", {"x": X, "y": X}, "unknown array in"),
        ("forecast", {"x": np.zeros((2, 0))}, "x: expected (batch, time, features)"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, task: str, arrays: Any, message: str) -> None:
    path = save(tmp_path / "a.npz", **arrays)
    with pytest.raises(LaminaError) as caught:
        read(path, task)
    assert message in str(caught.value) and "\n" not in str(caught.value)
