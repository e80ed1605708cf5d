"""Files that are whole or not there."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from lamina.errors import LaminaError, OutputError
from lamina.files import require_writable, write_file


@pytest.mark.parametrize("content", [b"\x00\xff\n", "text \u00e9\n"])
@pytest.mark.parametrize("as_path", [str, Path])
def test_content_is_written_and_replaced_whole(tmp_path: Path, content: Any, as_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before, and longer")
    write_file(as_path(path), content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("place", "reason"),
    [("missing/file", "No such file or directory"), ("folder", "Is a directory"), ("old/file", "Not a directory")],
)
def test_what_cannot_be_written_leaves_nothing_behind_and_the_old_file_intact(
    tmp_path: Path, place: str, reason: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "old").write_text("old")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError) as caught:
        write_file(tmp_path / place, b"new")
    assert isinstance(caught.value, LaminaError)
    assert isinstance(caught.value, OSError)
    assert str(caught.value) == f"cannot write {str(tmp_path / place)!r}: {reason}"
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "old").read_text() == "old"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("call", ["fsync", "chmod", "replace"])
def test_a_write_that_is_cut_short_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, call: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
        write_file(path, b"new")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"


@pytest.mark.skipif(os.name != "posix", reason="permissions and links as on POSIX systems")
def test_permissions_and_links_are_as_if_the_file_had_been_opened(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write_file(tmp_path / "new", b"")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640

    (tmp_path / "private").touch(0o600)
    write_file(tmp_path / "private", b"secret")
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600

    (tmp_path / "link").symlink_to("private")
    write_file(tmp_path / "link", b"more")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "private").read_bytes() == b"more"


def test_require_writable_makes_the_folder_and_writes_nothing(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b" / "file")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_text("old")
    require_writable(str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize(
    ("place", "reason"), [("folder", "it is a folder"), ("old/file", "File exists"), ("old/a/file", "Not a directory")]
)
def test_require_writable_refuses_what_write_file_would(tmp_path: Path, place: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "old").write_text("old")
    with pytest.raises(OutputError) as caught:
        require_writable(tmp_path / place)
    assert str(caught.value) == f"cannot write {str(tmp_path / place)!r}: {reason}"
