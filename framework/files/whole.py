"""Files that are whole or not there: written under a temporary name, flushed, and renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from lamina.errors import OutputError

__all__ = ["require_writable", "write_file"]


def write_file(path: str | Path, content: bytes | str) -> None:
    """Write a file, whole; what was there before stays until the new content is on disk.

    Raises
    ------
    OutputError
        If it cannot be written; nothing is left behind.
    """
    target = Path(os.path.realpath(path))  # a link stays one
    data = content.encode() if isinstance(content, str) else content
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            temporary = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode(target))  # a temporary file is private
        os.replace(temporary, target)
    except BaseException as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if not isinstance(error, OSError):
            raise
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def _mode(path: Path) -> int:
    """Return the permissions that opening the path for writing would leave it with."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def require_writable(path: str | Path) -> None:
    """Raise `OutputError` unless a file can be written at the path; makes its folder where there is none.

    To be called before long work whose result goes there.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
