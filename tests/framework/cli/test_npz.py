import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.cli.npz import check_labels, check_lengths, check_sequences, read_arrays
from lamina.errors import DataError, DTypeError, LaminaError, ShapeError, UnknownNameError

X = np.zeros((2, 3, 1))


def test_arrays_are_read_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=X, y=["a", "b"])
    arrays = read_arrays(path, ("x", "y", "lengths"))
    assert list(arrays) == ["x", "y"]
    assert arrays["y"].tolist() == ["a", "b"]


def test_a_misspelt_array_is_not_left_out_unseen(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=X, lenghts=[1, 2])
    with pytest.raises(UnknownNameError, match="did you mean 'lengths'"):
        read_arrays(path, ("x", "lengths"))


def test_unreadable_files_are_told_apart(tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        with pytest.raises(DataError) as caught:
            read_arrays(path, ("x",))
        message = str(caught.value)
        assert message.startswith(repr(str(path))) and "\n" not in message
        return message

    assert "there is no such file" in refused(tmp_path / "none.npz")
    assert "directory" in refused(tmp_path)
    text, array, damaged, objects = (tmp_path / f"{name}.npz" for name in ("text", "array", "damaged", "objects"))
    text.write_text("x,y\n1,2\n")
    assert "numpy.savez" in refused(text)
    with array.open("wb") as file:
        np.save(file, X)
    assert "numpy.savez" in refused(array)
    np.savez(damaged, x=np.arange(1000.0))
    content = bytearray(damaged.read_bytes())
    content[2000] ^= 1
    damaged.write_bytes(content)
    assert "no readable .npz file" in refused(damaged)
    np.savez(objects, x=np.array([[1.0], [1.0, 2.0]], dtype=object))
    assert "array 'x' holds Python objects" in refused(objects)
    with zipfile.ZipFile(text, "w") as archive:
        archive.writestr("x.npy", b"rubbish")
    assert "no readable .npz file" in refused(text)


def test_sequences_become_floats() -> None:
    assert check_sequences(np.ones((2, 3, 1), np.int8), "x").dtype == np.float64
    single = np.ones((2, 3, 1), np.float32)
    assert check_sequences(single, "x") is single


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (np.zeros((2, 3)), ShapeError),
        (np.zeros((0, 3, 1)), ShapeError),
        (np.zeros((2, 0, 1)), ShapeError),
        (np.zeros((2, 3, 1), complex), DTypeError),
        (np.zeros((2, 3, 1), "U1"), DTypeError),
    ],
)
def test_what_is_no_batch_of_sequences_is_refused(x: Any, error: type[LaminaError]) -> None:
    with pytest.raises(error, match=r"^x: expected"):
        check_sequences(x, "x")


def test_only_valid_steps_must_be_finite() -> None:
    x = X.copy()
    x[0, 2] = np.nan
    lengths = check_lengths(np.array([2, 3], np.int32), x, "lengths", "x")
    assert lengths is not None and lengths.dtype == np.int64
    for given in (None, np.array([3, 3])):
        with pytest.raises(DataError, match="got nan at row 0, step 2, feature 0"):
            check_lengths(given, x, "lengths", "x")
    x[1, 0] = -np.inf
    with pytest.raises(DataError, match="got -inf at row 1, step 0, feature 0"):
        check_lengths(lengths, x, "lengths", "x")


@pytest.mark.parametrize("lengths", [np.array([1.0, 2.0]), np.array([1]), np.array([1, 4]), np.array([-1, 2])])
def test_lengths_that_do_not_fit_are_refused(lengths: Any) -> None:
    with pytest.raises(LaminaError, match=r"^lengths: expected"):
        check_lengths(lengths, X, "lengths", "x")


@pytest.mark.parametrize("y", [[0.5, 1.0], [b"a", b"b"], [[0, 1], [1, 0]], [0, 1, 2]])
def test_what_are_no_labels_is_refused(y: Any) -> None:
    with pytest.raises((DTypeError, ShapeError), match=r"^y: expected"):
        check_labels(np.array(y), 2, "y")


def test_labels_are_whole_numbers_or_strings() -> None:
    assert check_labels(np.array([True, False]), 2, "y").tolist() == [1, 0]
    assert check_labels(np.array(["a", "b"]), 2, "y").dtype.kind == "U"


def test_labels_that_no_int64_holds_stay_whole() -> None:
    """They would come out as negative ones, or as floats."""
    assert check_labels(np.array([0, 2**63 - 1], "uint64"), 2, "y").tolist() == [0, 2**63 - 1]
    found = check_labels(np.array([2**64 - 2, 2**64 - 1], "uint64"), 2, "y")
    assert found.dtype == np.uint64 and found.tolist() == [2**64 - 2, 2**64 - 1]
