"""Files that libFuzzer finds, where atheris is installed; and checksums made right."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import MissingPackageError
from lamina.testing.fuzz import guided
from lamina.testing.fuzz.guided import TARGETS, with_checksum


def test_a_checksum_is_made_right_and_what_is_no_file_stays(tmp_path: Path) -> None:
    model = lamina.layers.Dense(2)
    model.build((None, 3), seed=0)
    model.save(tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    changed = content[:-1] + bytes([content[-1] ^ 1])
    (tmp_path / "changed").write_bytes(changed)
    with pytest.raises(lamina.errors.CheckpointError, match="checksum"):
        lamina.load(tmp_path / "changed")
    (tmp_path / "changed").write_bytes(with_checksum(changed))
    found = lamina.load(tmp_path / "changed").state_dict()
    assert not all(np.array_equal(found[name], one) for name, one in model.state_dict().items())
    for other in (b"", b"x", content[:40], b"\xff" * 100):
        assert with_checksum(other) == other


@pytest.mark.parametrize("kind", TARGETS)
def test_each_kind_can_be_made_and_tried(kind: str, tmp_path: Path) -> None:
    make, attempt = TARGETS[kind]
    for number in range(10):
        assert not attempt(make(np.random.default_rng(number)), tmp_path).startswith("failed")


def test_without_atheris_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    monkeypatch.setattr(sys, "argv", ["guided", "npz"])
    with pytest.raises(MissingPackageError, match="needs atheris"):
        guided.main()


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris: pip install -e '.[fuzz]'")
@pytest.mark.parametrize("kind", ["model files", "npz"])
def test_it_tries_as_many_as_are_asked_for(kind: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lamina.testing.fuzz.guided", kind, "--runs", "200", "--begin-with", "20"]
    found: Any = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0 and "Done 200 runs" in found.stderr, found.stderr[-500:]
