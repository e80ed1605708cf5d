"""The one place where commands print: nothing that a file holds, be it a name or an error's, can steer a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.files.printable import printable_lines

__all__ = ["say", "silence"]

_silent = [False]


def say(text: object = "", *, error: bool = False, flush: bool = False) -> None:
    """Print text, of one line or several.

    Parameters
    ----------
    text : object
        Characters that steer a terminal are written out: see `lamina.files.printable`.
    error : bool
        Whether it goes to the standard error.
    flush : bool
    """
    if not _silent[0]:
        print(printable_lines(str(text)), file=sys.stderr if error else None, flush=flush)


@contextmanager
def silence(silent: bool) -> Iterator[None]:
    """Say nothing within a block, where it is to be silent."""
    before, _silent[0] = _silent[0], silent
    try:
        yield
    finally:
        _silent[0] = before
