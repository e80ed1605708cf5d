"""What a command says when something is wrong: one line of bounded length, whatever a file or an option holds."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

from lamina.cli.say import say

__all__ = ["complain", "discard", "one_line", "quoted", "reason"]

# What a line may quote of a value, tell of another library's error, and be long in all.
_QUOTED = 60
_REASON = 200
_LINE = 1000


def one_line(text: str, most: int) -> str:
    r"""Return a text as one line of so many characters at most; what is cut out of its middle is shown by ``...``.

    Examples
    --------
    >>> one_line("a\n  b", 10)
    'a b'
    >>> one_line("0123456789abcdef", 9)
    '012...def'
    """
    line = " ".join(text.split())
    half = (most - 3) // 2
    return line if len(line) <= most else f"{line[:half]}...{line[-half:]}"


def quoted(value: object) -> str:
    """Return a value as Python writes it, cut to what a message can hold.

    Examples
    --------
    >>> quoted("four")
    "'four'"
    """
    return one_line(repr(value), _QUOTED)


def reason(error: BaseException) -> str:
    """Return what another library's error says, as one line: NumPy's may hold an array, zipfile's a member's name."""
    return one_line(str(error), _REASON) or type(error).__name__


def complain(message: str) -> None:
    """Print a line to standard error, or nothing where that is closed or full: nobody could be told of it."""
    try:
        say(one_line(message, _LINE), error=True, flush=True)
    except (OSError, ValueError):
        discard(sys.stderr)


def discard(stream: TextIO | None) -> None:
    """Have Python flush at exit what a stream cannot take to where it is taken."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # what stands for a stream may have no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        finally:
            os.close(nowhere)
