from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from lamina.cli import main

Arrays = dict[str, np.ndarray[Any, Any]]


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Run a command line in an empty folder, as a user would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAMINA_BACKEND", raising=False)

    def call(*words: object) -> Result:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., Arrays]:
    """Make sequences of three classes that a few epochs tell apart, of unequal lengths, with NaN past their ends."""

    def make(rows: int = 60, seed: int = 0) -> Arrays:
        rng = np.random.default_rng(seed)
        y = np.arange(rows) % 3
        centre = 3 * np.stack([np.cos(2 * y), np.sin(2 * y)], axis=1)
        x = 100 + 5 * (rng.normal(size=(rows, 6, 2)) + centre[:, None])
        lengths = rng.integers(3, 7, rows)
        x[np.arange(6) >= lengths[:, None]] = np.nan
        return {"x": x, "y": y, "lengths": lengths}

    return make


@pytest.fixture
def file(tmp_path: Path, make_rows: Callable[..., Arrays]) -> Path:
    """Write a file without a test part."""
    path = tmp_path / "rows.npz"
    np.savez(path, **make_rows())
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, make_rows: Callable[..., Arrays]) -> Path:
    """Train once, for tests that only need some model: the folder holds rows.npz and runs/rows."""
    folder = tmp_path_factory.mktemp("trained")
    np.savez(folder / "rows.npz", **make_rows())
    words = ["train", folder / "rows.npz", "--units", 8, "--epochs", 5, "--out", folder / "runs" / "rows"]
    assert main([str(word) for word in words]) == 0
    return folder
