"""What is no regular file is refused, and never waited for."""

import os
import socket
from pathlib import Path

import pytest

from lamina.cli.data import read
from lamina.cli.opening import open_data
from lamina.errors import DataError, LaminaError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="such files are others on Windows")


def place(folder: Path, kind: str, suffix: str) -> Path:
    """Return a path that leads to something that is no file to be read."""
    path = folder / f"a{suffix}"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "empty device":
        path.symlink_to("/dev/null")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "below a file":
        (folder / "file").write_text("")
        path = folder / "file" / f"a{suffix}"
    elif kind == "long name":
        path = folder / ("n" * 300 + suffix)
    elif kind == "long path":
        path = Path("a/" * 3000 + f"b{suffix}")
    elif kind == "NUL":
        path = folder / f"a\0b{suffix}"
    elif kind == "surrogate":
        path = folder / f"\ud800{suffix}"
    elif kind == "no permission":
        path.write_text("")
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
    return path


KINDS = (
    *("folder", "pipe", "socket", "endless", "empty device", "loop", "below a file", "long name", "long path", "NUL"),
    *("surrogate", "no permission", "nothing"),
)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".ts"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_one_line(tmp_path: Path, kind: str, suffix: str) -> None:
    path = place(tmp_path, kind, suffix)
    with pytest.raises(LaminaError) as caught:
        read(str(path))
    assert len(str(caught.value).splitlines()) == 1 and str(caught.value).startswith(repr(str(path)))


def test_an_error_while_reading_is_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"")
    with pytest.raises(DataError, match="no readable"), open_data(tmp_path / "a.npz", "a.npz", ".npz"):
        raise OSError(5, "Input/output error")
    with pytest.raises(KeyError), open_data(tmp_path / "a.npz", "a.npz", ".npz"):
        raise KeyError
