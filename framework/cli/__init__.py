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
from lamina.cli.messages import complain, discard
from lamina.cli.options import Parser, Version
from lamina.core.starting import interruptible
from lamina.core.version import __version__
from lamina.errors import LaminaError, NonFiniteError

__all__ = ["main"]

# Why writing to a stream fails; what is wrong with a file has its name.
_OF_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EFBIG)

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
    try:
        with interruptible():
            return _told(argv)
    except KeyboardInterrupt:
        complain("lamina: interrupted")
        return 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                discard(stream)


def _told(argv: Sequence[str] | None) -> int:
    """Run a command line; what goes wrong is one line. What is no error of input, output or memory is a bug."""
    _require_streams()
    try:
        code = _run(argv)
        if code != 2:  # of wrong usage all is said
            sys.stdout.flush()  # what a pipe without a reader refuses is to be known here, and not at exit
        return code
    except LaminaError as error:
        complain(f"lamina: error: {error}")
        return 1 if isinstance(error, NonFiniteError) else 2
    except MemoryError as error:
        complain(f"lamina: error: not enough memory{': ' if str(error) else ''}{error}")
        return 1
    except BrokenPipeError:
        # The reader, such as `head`, has enough. Python would complain once more when it flushes at exit.
        discard(sys.stdout)
        return 1
    except OSError as error:
        text = error.strerror or str(error)
        if error.filename is not None:
            complain(f"lamina: error: {error.filename!r}: {text}")
        elif error.errno in _OF_OUTPUT:
            discard(sys.stdout)
            text = "no space left on the device" if error.errno == errno.ENOSPC else text
            complain(f"lamina: error: cannot write the output: {text}")
        else:
            complain(f"lamina: error: {text}")
        return 2


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    if arguments.run is None:
        parser.print_help()
        return 2
    with _terminated_like_ctrl_c():
        return int(arguments.run(arguments))


def _require_streams() -> None:
    """Put something in place of streams that are closed, and have the others show what they cannot as escapes."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets this number: else a file that is written to would, and others' output
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open to the end
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a class name may be nothing that the terminal can show
            stream.reconfigure(errors="backslashreplace")


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


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="lamina",
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    nowhere = argparse.SUPPRESS
    version = f"lamina {__version__}"
    parser.add_argument(
        "--version", action=Version, nargs=0, dest=nowhere, default=nowhere, const=version, help="print the version"
    )
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in (train, evaluate, predict, info):
        command.add(commands)
    return parser
