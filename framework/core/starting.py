"""Ctrl-C while the command ``lamina`` starts: one line and the exit code 1, as later on.

Importing Lamina takes a while, NumPy most of it, and comes before anything of the command itself; what a
KeyboardInterrupt would leave half imported there, it would show as a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

__all__ = ["interruptible", "watch"]

_SCRIPTS = ("lamina", "lamina.exe", "lamina-script.py")


def watch() -> None:
    """End the process at a Ctrl-C from now on, where it is the command that starts: nothing is there to be lost yet.

    Nothing changes in a program that imports Lamina, nor where a Ctrl-C is ignored or handled otherwise already.
    """
    if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


@contextmanager
def interruptible() -> Iterator[None]:
    """Have a Ctrl-C raise KeyboardInterrupt: the command is there to tell of it, and to keep what is trained.

    Before and after, where `watch` says so, it ends the process.
    """
    watched = signal.getsignal(signal.SIGINT) is _end
    if watched:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if watched:
            signal.signal(signal.SIGINT, _end)


def _is_command() -> bool:
    """Tell whether this process is ``lamina`` or ``python -m lamina``."""
    program = sys.argv[0] if getattr(sys, "argv", None) else ""
    if program == "-m":  # the name of the module is not there yet
        given = sys.orig_argv
        return "-mlamina" in given or ("-m", "lamina") in pairwise(given)
    return os.path.basename(program) in _SCRIPTS


def _end(signal_number: int, frame: Any) -> None:
    """Say so, and end at once: an import that is broken off would say more."""
    try:
        os.write(2, b"lamina: interrupted\n")
    finally:
        os._exit(1)
