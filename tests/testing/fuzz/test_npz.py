"""Hostile .npz files: every fault comes about, and none does harm."""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.testing.fuzz import npz


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited so on Linux alone")
def test_hundreds_of_files_are_read_or_refused(tmp_path: Path, trial: Any) -> None:
    found = trial("npz", (), tmp_path, 600)
    assert found["read"] > 60 and found["refused: DataError"] > 200
    assert set(found) > {"read", "refused: DataError", "refused: UnknownNameError"}


def test_the_same_state_makes_the_same_file() -> None:
    for number in range(20):
        first, second = (npz.make(np.random.default_rng(number)) for _ in range(2))
        assert first == second
    assert len({npz.make(np.random.default_rng(number)) for number in range(20)}) == 20


def test_each_fault_is_one() -> None:
    """A fault that changes nothing would prove nothing."""
    rng = np.random.default_rng(0)
    name, content = npz._sound(rng, "classify")[0]
    for fault in npz._MEMBER_FAULTS:
        assert any(fault(np.random.default_rng(number), name, content) != (name, content) for number in range(9))
    archive = npz._archive(rng, [(name, content)])
    for change in npz._ARCHIVE_FAULTS:
        assert any(change(np.random.default_rng(number), archive) != archive for number in range(9))


@pytest.mark.parametrize("task", ["classify", "tag", "regress", "forecast"])
def test_sound_files_are_read(tmp_path: Path, task: str) -> None:
    for number in range(9):
        arrays = npz._sound(np.random.default_rng(number), task)
        # The names are of three classes, and the labels may be strings, which are names already.
        members = [member for member in arrays if member[0] != "class_names.npy"]
        for packed in range(5):
            content = npz._archive(np.random.default_rng(packed), members)
            method = zipfile.ZipFile(io.BytesIO(content)).infolist()[0].compress_type
            plain = method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            assert npz.outcome(content, tmp_path, task) == ("read" if plain else "refused: DataError")
