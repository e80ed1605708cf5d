"""The bytes of a model file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load as load_arrays

from lamina.core.bounds import MOST_HEADER
from lamina.core.model_bytes import read_arrays, to_bytes
from lamina.errors import CheckpointError

ARRAYS: dict[str, Any] = {
    "b": np.arange(3, dtype=np.float32),
    "a.w": np.arange(6.0).reshape(2, 3),
    "caf\u00e9\u202e": np.zeros((0, 4), np.int8),
    "s": np.array(2.5),
}
METADATA = {"z": 'quote " and \\ and \n', "a": "caf\u00e9 \u202e \U0001f600", "m": "", "k": "\x1b[0m\x7f"}


def test_what_is_written_is_read_back_by_the_library_too(tmp_path: Path) -> None:
    content = b"".join(map(bytes, to_bytes(ARRAYS, METADATA)))
    (tmp_path / "m").write_bytes(content)
    arrays, metadata = read_arrays(tmp_path / "m")
    assert metadata == METADATA
    for found in (arrays, load_arrays(content)):
        assert found.keys() == ARRAYS.keys()
        for name, array in ARRAYS.items():
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
            assert found[name].tobytes() == array.tobytes()


def test_the_header_is_sorted_and_ends_on_a_word() -> None:
    head, data = to_bytes(ARRAYS, METADATA)
    size = int.from_bytes(head[:8], "little")
    assert len(head) == 8 + size and len(head) % 8 == 0
    header = json.loads(head[8:])
    assert list(header["__metadata__"]) == sorted(METADATA)
    assert sum(array.nbytes for array in ARRAYS.values()) == len(data)


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_in_which_they_are_given_does_not_matter(order: int) -> None:
    other = to_bytes(dict(list(ARRAYS.items())[::order]), dict(list(METADATA.items())[::order]))
    assert [bytes(piece) for piece in other] == [bytes(piece) for piece in to_bytes(ARRAYS, METADATA)]


_SAVE = """
import sys, lamina
model = lamina.Sequential(lamina.layers.LSTM(3), lamina.layers.Dropout(0.1), lamina.layers.Dense(2))
model.build((None, None, 2), seed=0)
model.facts.update(b=1, a={"z": [1], "y": 2}, class_names=["x", "y"])
for path in sys.argv[1:]:
    model.save(path)
"""


def test_processes_with_other_hashes_write_the_same_bytes(tmp_path: Path) -> None:
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        paths = [str(tmp_path / f"{seed}-{number}") for number in range(3)]
        subprocess.run([sys.executable, "-c", _SAVE, *paths], check=True, env=environment)
    first, *others = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    assert len(others) == 8 and all(other == first for other in others)


def test_a_header_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"bytes, more than the {MOST_HEADER} that can be read$"):
        to_bytes(ARRAYS, {"a": "x" * MOST_HEADER})
    path = tmp_path / "m"
    path.write_bytes((MOST_HEADER + 8).to_bytes(8, "little") + b" " * 64)
    with pytest.raises(CheckpointError, match=rf"\(a header of {MOST_HEADER + 8} bytes, more than {MOST_HEADER}\)$"):
        read_arrays(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(CheckpointError, match=r"^no readable safetensors file \(it is no file\)$"):
            read_arrays(path)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
def test_a_path_that_none_can_be_is_one_line(path: str) -> None:
    with pytest.raises(CheckpointError, match=r"^no readable safetensors file \(") as caught:
        read_arrays(path)
    assert "\n" not in str(caught.value)
