"""A disk that fails at any moment of a run: a clear error, and the last good checkpoint as it was."""

import builtins
import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.checkpoints.store import Store
from lamina.errors import LaminaError, OutputError
from lamina.testing.kills.cases import CASES
from lamina.testing.kills.run import result_of

KINDS = ["no space", "short write", "input/output error", "failing rename", "failing sync", "failing folder sync"]


class Faulty:
    """A layer of files in which one kind of operation fails, from a certain one on or that one alone."""

    def __init__(self, monkeypatch: Any, kind: str, number: int, for_good: bool) -> None:
        self.count, self.number, self.for_good, self.folders = 0, number, for_good, set[int]()
        make, fsync, replace, open_folder = tempfile.NamedTemporaryFile, os.fsync, os.replace, os.open

        def temporary(*given: Any, **options: Any) -> Any:
            file = make(*given, **options)
            write = file.write

            def failing(data: bytes) -> int:
                if kind == "short write" and self.fails():
                    write(data[: len(data) // 2])
                    file.flush()
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if kind == "no space" and self.fails():
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if kind == "input/output error" and self.fails():
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                return int(write(data))

            file.write = failing
            return file

        def synced(number: int) -> None:
            if kind == ("failing folder sync" if number in self.folders else "failing sync") and self.fails():
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            fsync(number)

        def opened(path: Any, flags: int, *given: Any, **options: Any) -> int:
            found = open_folder(path, flags, *given, **options)
            (self.folders.add if os.path.isdir(path) else self.folders.discard)(found)
            return found

        def renamed(source: Any, target: Any) -> None:
            if kind == "failing rename" and self.fails():
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            replace(source, target)

        monkeypatch.setattr(tempfile, "NamedTemporaryFile", temporary)
        for name, one in (("fsync", synced), ("open", opened), ("replace", renamed)):
            monkeypatch.setattr(os, name, one)

    def fails(self) -> bool:
        self.count += 1
        return self.count >= self.number if self.for_good else self.count == self.number


def content_of(folder: Path) -> Any:
    found, told = Store(folder, 2).latest()
    assert told == ""
    return found


@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_no_checkpoint_is_lost(kind: str, for_good: bool, tmp_path: Path, monkeypatch: Any) -> None:
    begin: Callable[[Path], Any] = CASES["simple_rnn"]
    expected = result_of(begin(tmp_path), None)
    failures, last = 0, -1
    for number in range(1, 16):
        folder = tmp_path / str(number)
        with monkeypatch.context() as patches:
            Faulty(patches, kind, number, for_good)
            try:
                found = result_of(begin(tmp_path), folder, 2)
            except OutputError as error:
                failures += 1
                assert "cannot write" in str(error) and str(folder) in str(error) and "\n" not in str(error)
            else:
                assert found == expected
                continue
        found = content_of(folder)  # each that was written before the failing one is there
        assert found is None or found["steps"] >= last
        last = -1 if found is None else found["steps"]
        assert not list(folder.glob(".lamina-*"))
        assert result_of(begin(tmp_path), folder, 2) == expected
    assert failures >= 8


def test_a_full_disk_leaves_the_last_checkpoint_as_it_was(tmp_path: Path, monkeypatch: Any) -> None:
    with monkeypatch.context() as patches:
        Faulty(patches, "short write", 4, True)
        with pytest.raises(OutputError, match="No space left on device"):
            result_of(CASES["simple_rnn"](tmp_path), tmp_path / "run", 1)
    kept = sorted((tmp_path / "run").glob("checkpoint-*"))
    assert kept and content_of(tmp_path / "run")["steps"] == int(kept[-1].name[11:20])


def test_a_folder_that_turns_read_only_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    def refused(*given: Any, **options: Any) -> Any:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    x, y = np.zeros((4, 3, 2)), np.zeros(4, int)
    trainer = lamina.Trainer(lamina.Sequential(lamina.layers.SimpleRNN(2), lamina.layers.Dense(2)))
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(OutputError, match="Read-only file system"):
        trainer.fit(x, y, epochs=1, verbose=False, checkpoint=tmp_path)
    assert not trainer.model.is_built


def test_a_disk_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    result_of(CASES["simple_rnn"](tmp_path), tmp_path / "run", 1)

    def failing(*given: Any, **options: Any) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    import safetensors

    monkeypatch.setattr(safetensors, "safe_open", failing)
    with pytest.raises(LaminaError, match="no checkpoint of it can be read"):
        result_of(CASES["simple_rnn"](tmp_path), tmp_path / "run", 1)
    assert builtins.open is open
