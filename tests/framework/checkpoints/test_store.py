"""The files of a folder of checkpoints."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from lamina.checkpoints import store as module
from lamina.checkpoints.store import Store, as_bytes
from lamina.errors import CheckpointError


def content(number: int) -> dict[str, Any]:
    return {"count": number, "weights": np.full((3, 2), number, "float32")}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_the_last_few_are_kept_and_the_latest_is_read(tmp_path: Path, keep: int) -> None:
    store = Store(tmp_path, keep)
    assert store.latest() == (None, "")
    for number in range(1, 5):
        store.write(number, content(number))
    assert len(names(tmp_path)) == min(keep, 4)
    found, told = store.latest()
    assert found is not None and found["count"] == 4 and told == ""
    assert np.array_equal(found["weights"], content(4)["weights"]) and found["weights"].dtype == np.float32


def test_numbers_are_compared_as_numbers_however_long(tmp_path: Path) -> None:
    store = Store(tmp_path, 3)
    for number in (999_999_999, 1_000_000_000, 5):
        store.write(number, content(number))
    found, _ = store.latest()
    assert found is not None and found["count"] == 1_000_000_000


@pytest.mark.parametrize("harm", ["cut", "bit", "empty", "text", "other", "folder"])
def test_an_older_one_is_taken_where_the_latest_is_damaged_and_it_is_said(tmp_path: Path, harm: str) -> None:
    store = Store(tmp_path, 2)
    store.write(1, content(1))
    store.write(2, content(2))
    path = tmp_path / "checkpoint-000000002.safetensors"
    whole = path.read_bytes()
    if harm == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(
            {
                "cut": whole[:-1],
                "bit": whole[:-3] + bytes([whole[-3] ^ 4]) + whole[-2:],
                "empty": b"",
                "text": b"not a checkpoint",
                "other": save({"w": np.ones(2)}, {"lamina_format": "1"}),
            }[harm]
        )
    found, told = store.latest()
    assert found is not None and found["count"] == 1
    assert "checkpoint-000000002.safetensors" in told and "so checkpoint-000000001.safetensors is taken" in told
    (tmp_path / "checkpoint-000000001.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="no checkpoint of it can be read"):
        store.latest()


def test_every_flipped_bit_is_seen(tmp_path: Path) -> None:
    store = Store(tmp_path, 1)
    store.write(1, content(1))
    path = tmp_path / "checkpoint-000000001.safetensors"
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        with pytest.raises(CheckpointError):
            store.latest()


def test_one_of_a_newer_version_is_refused_even_beside_older_ones(tmp_path: Path, monkeypatch: Any) -> None:
    store = Store(tmp_path, 2)
    store.write(1, content(1))
    monkeypatch.setattr(module, "_FORMAT", 2)
    store.write(2, content(2))
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="checkpoint format 2, this Lamina reads up to 1; upgrade lamina"):
        store.latest()


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    for name in ("checkpoint-1.txt", "notes", "xcheckpoint-000000001.safetensors", "checkpoint-٣.safetensors"):
        (tmp_path / name).write_text("mine")
    store = Store(tmp_path, 1)
    store.write(1, content(1))
    store.write(2, content(2))
    assert len(names(tmp_path)) == 5 and (tmp_path / "notes").read_text() == "mine"


def test_the_same_content_gives_the_same_arrays_and_what_cannot_be_kept_is_named() -> None:
    assert b"".join(as_bytes(content(1))) == b"".join(as_bytes(content(1)))
    with pytest.raises(CheckpointError, match="callbacks/0: a checkpoint cannot hold what is a object"):
        as_bytes({"callbacks": [object()]})
