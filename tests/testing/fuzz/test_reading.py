"""What became of a file is told apart: read, refused as it should be, or broken."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.cli.part import Data, Part
from lamina.errors import DataError
from lamina.testing.fuzz import npz, reading

X = np.zeros((4, 2, 1))


def saved(folder: Path, **arrays: Any) -> bytes:
    np.savez(folder / "a.npz", **arrays)
    return (folder / "a.npz").read_bytes()


def test_files_are_told_apart(tmp_path: Path) -> None:
    sound = saved(tmp_path, x=X, y=[0, 1, 0, 1])
    assert npz.outcome(sound, tmp_path) == "read"
    assert npz.outcome(sound, tmp_path, "regress") == "read"
    assert npz.outcome(sound, tmp_path, "forecast") == "refused: UnknownNameError"
    assert npz.outcome(sound, tmp_path, memory=50) == "refused: DataError"
    assert npz.outcome(b"", tmp_path) == "refused: DataError"


def raising(error: BaseException) -> Any:
    def read(*arguments: Any, **options: Any) -> Data:
        raise error

    return read


ERRORS = (OverflowError("a"), MemoryError(), RecursionError(), UserWarning(), DataError("a\nb"), DataError("a" * 5000))


@pytest.mark.parametrize("error", ERRORS)
def test_what_is_no_line_of_ours_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any) -> None:
    monkeypatch.setattr(reading, "read", raising(error))
    found = reading.outcome(b"", ".npz", tmp_path)
    assert found.startswith(reading.FAILED) and type(error).__name__ in found


@pytest.mark.parametrize(
    ("x", "y", "lengths"),
    [
        (X.astype(">f8"), [0, 1, 0, 1], None),
        (X.astype("f2"), [0, 1, 0, 1], None),
        (X[0], [0, 1], None),
        (X, [0, 1], None),
        (X, [0, 1, 2, 1], None),
        (X, [0, -1, 0, 1], None),
        (X, [0, 1, 0, 1], [1, 2, 3, 1]),
        (np.full_like(X, np.nan), [0, 1, 0, 1], None),
        (np.zeros((4, 1000, 200)), [0, 1, 0, 1], None),
    ],
)
def test_data_that_nothing_can_rely_on_are_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, x: Any, y: Any, lengths: Any
) -> None:
    part = Part(x, np.array(y), None if lengths is None else np.array(lengths))
    data = Data("a", "a", part, None, ("no", "yes"))
    monkeypatch.setattr(reading, "read", lambda *arguments, **options: data)
    assert reading.outcome(b"", ".npz", tmp_path).startswith(reading.FAILED)


def test_a_class_that_cannot_be_written_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Data("a", "a", Part(X, np.array([0, 1, 0, 1]), None), None, ("no", "\udcff"))
    monkeypatch.setattr(reading, "read", lambda *arguments, **options: data)
    assert reading.outcome(b"", ".npz", tmp_path).startswith(reading.FAILED)
