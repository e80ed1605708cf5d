"""The command line: ``lamina train``, ``evaluate``, ``predict`` and ``info``, one file a command.

Each command is a module with ``add``, which describes it to argparse, and ``run``. What takes time to import is
imported in ``run``, so that ``lamina --help`` answers at once.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lamina.cli import evaluate, info, predict, train
from lamina.core.version import __version__
from lamina.errors import LaminaError, NonFiniteError

__all__ = ["main"]

_DESCRIPTION = "Train, evaluate and use models of sequences. `lamina COMMAND --help` explains a command."
_EXIT_CODES = """\
exit codes:
  0  success
  1  the job ran but ended badly: interrupted, diverged, a model that gives NaN or infinity
  2  wrong usage or input; one line on the standard error says what to change
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``lamina``; those of this process if not given.

    Returns
    -------
    int
        The exit code: 0 success, 1 the job ran but ended badly, 2 wrong usage or input.
    """
    parser = _parser()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a class name may be nothing that the terminal can show
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    if arguments.run is None:
        parser.print_help()
        return 2
    try:
        with _terminated_like_ctrl_c():
            code = int(arguments.run(arguments))
            print(end="", flush=True)  # what a pipe without a reader refuses is to be known here, and not at exit
            return code
    except LaminaError as error:
        print(f"lamina: error: {error}", file=sys.stderr)
        return 1 if isinstance(error, NonFiniteError) else 2
    except MemoryError as error:
        print(f"lamina: error: not enough memory: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lamina: interrupted", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader, such as `head`, has enough. Python would complain once more when it flushes at exit.
        _close_output()
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        _close_output()
        print("lamina: error: cannot write the output: no space left on the device", file=sys.stderr)
        return 2


@contextmanager
def _terminated_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, by which a job's time ends, do what Ctrl-C does; what handles it already is left as it is."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _close_output() -> None:
    """Have Python flush at exit what cannot be written to where it is taken."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lamina",
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lamina {__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in (train, evaluate, predict, info):
        command.add(commands)
    return parser
