"""Files that are whole or not there: written under a temporary name, flushed, and renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

from lamina.errors import OutputError

__all__ = ["TEMPORARY", "kind_of", "refusal", "require_writable", "write_file"]

# How the names of files begin that are not whole yet.
TEMPORARY = ".lamina-"

# What is no file: it would be replaced by one where it is written to, and read for ever.
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def kind_of(mode: int) -> str:
    """Return what `os.stat`'s mode is that of, where that is no regular file; nothing where it is one."""
    kind = stat.S_IFMT(mode)
    return "" if kind == stat.S_IFREG else _KINDS.get(kind, "no file")


def write_file(path: str | Path, *content: bytes | memoryview | str) -> None:
    """Write a file, whole; what was there before stays until the new content is on disk.

    When this returns, the disk has it, and its folder the name. Several pieces stand there one after the other. A link
    stays one: the file it leads to is written, also where there is none yet.

    Raises
    ------
    OutputError
        If it cannot be written, is write-protected, or what stands there is no file but a folder, a pipe, a
        socket or a device; nothing is left behind, and what stood there stays.
    """
    temporary = ""
    try:
        target = _target(path)
        # A name of its own, as that of the file may be as long as names can be.
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=TEMPORARY, delete=False) as file:
            temporary = file.name
            for piece in content:
                file.write(piece.encode() if isinstance(piece, str) else piece)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode(target))  # a temporary file is private
        os.replace(temporary, target)
        temporary = ""
        _sync(target.parent)
    except BaseException as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if not isinstance(error, (OSError, ValueError)):
            raise
        raise refusal(path, error) from error


def require_writable(path: str | Path) -> None:
    """Raise `OutputError` unless `write_file` could write at the path; makes its folder where there is none.

    To be called before long work whose result goes there. What stands there is left as it is.
    """
    try:
        Path(os.path.realpath(path)).parent.mkdir(parents=True, exist_ok=True)
        target = _target(path)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
        _require_replaceable(target)
    except (OSError, ValueError) as error:
        raise refusal(path, error) from error


def _sync(folder: Path) -> None:
    """Have a folder's new names on the disk, where the system can."""
    if os.name != "posix":
        return
    try:
        number = os.open(folder, os.O_RDONLY)
    except PermissionError:  # one may be written to without being read
        return
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # a file system that has no such thing
            raise
    finally:
        os.close(number)


def _target(path: str | Path) -> Path:
    """Return the file that a path leads to, links followed, or raise where what is there must not be replaced."""
    target = Path(os.path.realpath(path))
    try:
        found = os.stat(path)  # of the path itself: some links, as those below /proc, can only be followed by it
    except FileNotFoundError:
        return target
    kind = kind_of(found.st_mode)
    if kind:
        raise OSError(None, f"it is {kind}")
    # A file that nobody may write is meant to stay, although an administrator could open it.
    if not found.st_mode & 0o222:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    os.close(os.open(target, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)))  # for all other reasons
    return target


def _require_replaceable(target: Path) -> None:
    """Raise where a file can be written but not renamed over: another user's, in a folder such as /tmp."""
    if target.exists() and hasattr(os, "geteuid"):
        folder, user = target.parent.stat(), os.geteuid()
        if folder.st_mode & stat.S_ISVTX and user not in (0, folder.st_uid, target.stat().st_uid):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def _mode(path: Path) -> int:
    """Return the permissions that opening the path for writing would leave it with."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def refusal(path: str | Path, error: OSError | ValueError) -> OutputError:
    """Return the error for a path that cannot be written; a ValueError is one of a name that no file can have."""
    return OutputError(f"cannot write {str(path)!r}: {getattr(error, 'strerror', None) or error}")
