"""A folder that one process at a time writes to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lamina.errors import OutputError
from lamina.files.whole import TEMPORARY, refusal

__all__ = ["locked_folder"]

_LOCK = ".lock"


@contextmanager
def locked_folder(path: str | Path) -> Iterator[Path]:
    """Make a folder where there is none, and have it alone as long as the block runs.

    The operating system gives the lock up when the process ends, however it ends, so that none is ever left behind.
    What killed processes left half-written in the folder is cleared.

    Raises
    ------
    OutputError
        If another run has it, or it cannot be written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("a+b")
    except (OSError, ValueError) as error:
        raise refusal(path, error) from error
    with file:
        if not _lock(file):
            raise OutputError(f"{str(path)!r}: another run writes its checkpoints there: wait for it, or give another")
        try:
            _clear(folder)
        except OSError as error:
            raise refusal(path, error) from error
        yield folder  # closing the file gives the lock up


def _clear(folder: Path) -> None:
    for one in folder.glob(f"{TEMPORARY}*"):
        with contextlib.suppress(FileNotFoundError):
            one.unlink()


def _lock(file: IO[bytes]) -> bool:
    """Lock an open file for this process; return whether it could."""
    try:
        if os.name == "nt":  # pragma: no cover - on Windows alone
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
