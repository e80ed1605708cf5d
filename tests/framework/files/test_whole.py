"""Files that are whole or not there."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lamina
from lamina.callbacks import CSVLog, SaveBest
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
    [("missing/file", "No such file or directory"), ("folder", "it is a folder"), ("old/file", "Not a directory")],
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


posix = pytest.mark.skipif(os.name != "posix", reason="pipes, links and permissions as on POSIX systems")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of a short name, open to all users."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


def put(path: Path, kind: str) -> None:
    """Put what is no file at a path."""
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    elif kind == "a folder":
        path.mkdir()
    else:
        try:
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        except OSError:
            pytest.skip("no device can be made here")


def small_model() -> lamina.Layer:
    model = lamina.layers.Dense(2)
    model.build((None, 4), seed=0)
    return model


def attempts(path: Path) -> list[Any]:
    """Return all that writes a file whole at a path."""
    history = lamina.History()
    history.add({"loss": 1.0})
    return [
        lambda: write_file(path, b"new"),
        lambda: require_writable(path),
        lambda: small_model().save(path),
        lambda: history.to_csv(path),
    ]


def fit_with(callback: Any) -> None:
    """Train with a callback, which is to refuse before the first epoch."""
    trainer = lamina.Trainer(small_model(), optimizer="sgd", callbacks=callback)
    try:
        trainer.fit([[0.0, 1.0, 2.0, 3.0]] * 4, [0, 1, 0, 1], epochs=2, verbose=False)
    finally:
        assert len(trainer.history) == 0


@posix
@pytest.mark.parametrize("through_a_link", [False, True])
@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a device", "a folder"])
def test_what_is_no_file_is_refused_and_stays(folder: Path, kind: str, through_a_link: bool) -> None:
    put(folder / "it", kind)
    path = folder / "it"
    if through_a_link:
        (path := folder / "link").symlink_to("it")
    before = os.lstat(folder / "it")
    fits = [lambda: fit_with(SaveBest(path, "loss")), lambda: fit_with(CSVLog(path))]
    for attempt in attempts(path) + fits:
        with pytest.raises(OutputError) as caught:
            attempt()
        assert str(caught.value) == f"cannot write {str(path)!r}: it is {kind}"
    after = os.lstat(folder / "it")
    assert (after.st_mode, after.st_ino) == (before.st_mode, before.st_ino)
    assert path.is_symlink() is through_a_link
    assert len(list(folder.iterdir())) == 1 + through_a_link


@posix
def test_a_write_protected_file_is_refused_and_stays(folder: Path) -> None:
    path = folder / "best"
    path.write_text("old")
    path.chmod(0o444)
    before = path.stat().st_ino
    fits = [lambda: fit_with(SaveBest(path, "loss")), lambda: fit_with(CSVLog(path))]
    for attempt in attempts(path) + fits:
        with pytest.raises(OutputError) as caught:
            attempt()
        assert str(caught.value) == f"cannot write {str(path)!r}: Permission denied"
    assert (path.read_text(), path.stat().st_ino, stat.S_IMODE(path.stat().st_mode)) == ("old", before, 0o444)
    assert list(folder.iterdir()) == [path]


OTHER_USER = """
import os, sys
import lamina
from lamina.files import require_writable, write_file
if os.getuid() == 0:
    os.setuid(65534)
for path in sys.argv[1:]:
    for call in (lambda: require_writable(path), lambda: write_file(path, b"new")):
        try:
            call()
            print("written")
        except lamina.errors.OutputError as error:
            print(str(error).rpartition(": ")[2])
"""


@posix
def test_what_another_user_may_not_write_is_refused(folder: Path) -> None:
    (folder / "file").write_text("old")
    (folder / "file").chmod(0o644 if os.getuid() == 0 else 0o444)
    (folder / "closed").mkdir()
    (folder / "closed").chmod(0o555)
    (folder / "sticky").mkdir()
    (folder / "sticky" / "file").write_text("old")
    (folder / "sticky" / "file").chmod(0o666)
    (folder / "sticky").chmod(0o1777)
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    paths = [folder / "file", folder / "closed" / "new", folder / "closed" / "deep" / "new", folder / "open" / "new"]
    paths += [folder / "sticky" / "file"] if os.getuid() == 0 else []
    done = subprocess.run(
        [sys.executable, "-c", OTHER_USER, *map(str, paths)], capture_output=True, text=True, check=True, cwd="/"
    )
    told = done.stdout.splitlines()
    assert told[:5] == ["Permission denied"] * 5
    assert told[5] in ("Permission denied", "No such file or directory")
    assert told[6:8] == ["written"] * 2
    assert all(one == "Operation not permitted" for one in told[8:])
    assert (folder / "file").read_text() == (folder / "sticky" / "file").read_text() == "old"
    assert (folder / "open" / "new").read_text() == "new"


@posix
@pytest.mark.parametrize(("length", "fits"), [(250, True), (255, True), (256, False)])
@pytest.mark.parametrize("letter", ["a", "\u043c"])
def test_a_name_may_be_as_long_as_the_system_takes(folder: Path, length: int, fits: bool, letter: str) -> None:
    size = len(letter.encode())
    path = folder / (letter * (length // size) + "a" * (length % size))
    assert len(path.name.encode()) == length
    for attempt in attempts(path):
        if fits:
            attempt()
        else:
            with pytest.raises(OutputError, match=r"File name too long$"):
                attempt()
    if fits:
        small_model().save(path)
        assert lamina.load(path).is_built
    assert list(folder.iterdir()) == [path] * fits


@posix
def test_links_are_followed_and_stay(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("deep/file")  # where there is none yet: made, as opening it for writing would
    for content in (b"first", b"second"):
        require_writable(folder / "one")
        write_file(folder / "one", content)
        assert (folder / "one").is_symlink() and (folder / "two").is_symlink()
        assert (folder / "deep" / "file").read_bytes() == content
    (folder / "loop").symlink_to("loop")
    (folder / "nowhere").symlink_to("missing/file")
    for name, reason in (("loop", "Too many levels of symbolic links"), ("nowhere", "No such file or directory")):
        with pytest.raises(OutputError, match=f"{reason}$"):
            write_file(folder / name, b"x")
        assert (folder / name).is_symlink()
    with pytest.raises(OutputError, match=r"Too many levels of symbolic links$"):
        require_writable(folder / "loop")


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    for attempt in attempts(tmp_path / "a\0b"):
        with pytest.raises(OutputError, match=r"^cannot write '.*a\\x00b': embedded null byte$"):
            attempt()
