"""Files with data, opened: regular ones alone, as a pipe may wait for ever and a device never end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lamina.cli.messages import reason
from lamina.errors import DataError
from lamina.files.whole import kind_of

__all__ = ["open_data"]


@contextmanager
def open_data(path: Path, source: str, kind: str) -> Iterator[BinaryIO]:
    """Open a file to be read as bytes.

    Parameters
    ----------
    path : Path
    source : str
        As the user wrote it, for messages.
    kind : str
        Its format, for messages: ``".npz"``.

    Raises
    ------
    DataError
        If there is none, it must not be read, or what is there is no file but a folder, a pipe or a device.
        Also where reading it fails later.
    """
    unreadable = f"{source!r}: no readable {kind} file"
    try:
        file = open(path, "rb", opener=_open)  # noqa: SIM115 - closed below
    except FileNotFoundError as error:
        raise DataError(f"{source!r}: there is no such file") from error
    except IsADirectoryError as error:
        raise DataError(f"{source!r}: expected a {kind} file, got a directory") from error
    except (OSError, ValueError) as error:  # the latter of a name that no file can have
        raise DataError(f"{unreadable} ({getattr(error, 'strerror', None) or reason(error)})") from error
    with file:
        found = kind_of(os.fstat(file.fileno()).st_mode)
        if found:
            raise DataError(f"{source!r}: expected a {kind} file, got {found}")
        try:
            yield file
        except OSError as error:
            raise DataError(f"{unreadable} ({error.strerror or reason(error)})") from error


def _open(name: str, flags: int) -> int:
    """Return a descriptor; what would wait for another process does not."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
