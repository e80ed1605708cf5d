"""The one place where commands print: nothing that a file holds, be it a name or an error's, can steer a terminal."""

from __future__ import annotations

import sys

from lamina.files.printable import printable_lines

__all__ = ["say"]


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
    print(printable_lines(str(text)), file=sys.stderr if error else None, flush=flush)
