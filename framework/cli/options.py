"""What the commands' arguments have in common: how they are described, and read."""

from __future__ import annotations

import argparse
import math
import re
import sys
import textwrap
from collections.abc import Callable
from typing import Any, NoReturn

from lamina.cli.messages import complain, quoted
from lamina.cli.say import say

__all__ = [
    "Parser",
    "Version",
    "add_backend",
    "add_columns",
    "add_dtype",
    "columns_of",
    "command",
    "names",
    "positive_int",
    "positive_number",
    "seed",
    "share",
    "steps_or_text",
]

# A number of units, rows or epochs; a seed.
_MOST = 2**31 - 1
_MOST_SEED = 2**63 - 1
_WHOLE = re.compile(r"\+?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# Fits a terminal of 80 columns.
_HELP_WIDTH = 79


class Parser(argparse.ArgumentParser):
    """Argparse's parser, which tells what is wrong in one line, and does not lose help that cannot be written."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit with code 2."""
        complain(f"{self.prog}: error: {message}; see {self.prog} --help")
        raise SystemExit(2)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the arguments; a value of ``--``, which argparse takes out before it is read, is refused."""
        found = super().parse_args(args, namespace)
        for name, value in vars(found).items():
            if value == []:
                self.error(f"argument --{name.replace('_', '-')}: expected a value, got '--'")
        return found

    def print_help(self, file: Any = None) -> None:
        """Print the help, or raise OSError."""
        (file or sys.stdout).write(self.format_help())


class Version(argparse.Action):
    """Prints the version, or raises OSError, and exits."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        """Print it."""
        say(self.const)
        raise SystemExit(0)


def command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], summary: str, details: str, examples: str
) -> argparse.ArgumentParser:
    """Add a command and return its parser.

    Parameters
    ----------
    commands : what ``ArgumentParser.add_subparsers`` returned
    name : str
    run : callable
        Gets the parsed arguments, returns the exit code.
    summary : str
        One line, for the list of commands and the top of the command's help.
    details : str
        What a user must know beyond the options: paragraphs, wrapped here, but for indented lines.
    examples : str
        Command lines that work, one a line.
    """
    lines = "\n".join(f"  {line}" for line in examples.strip().splitlines())
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description="\n\n".join(_wrapped(part) for part in (summary, *details.split("\n\n"))),
        epilog=f"examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _wrapped(paragraph: str) -> str:
    return paragraph if paragraph.startswith(" ") else textwrap.fill(paragraph, _HELP_WIDTH)


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add ``--backend``."""
    parser.add_argument(
        "--backend",
        metavar="NAME",
        help="where to compute: numpy, cupy, reference, ... (default: the environment's LAMINA_BACKEND, else numpy)",
    )


def add_dtype(parser: argparse.ArgumentParser, default: str) -> None:
    """Add ``--dtype``; ``default`` says what holds where it is not given."""
    parser.add_argument("--dtype", metavar="NAME", help=f"float32 or float64 (default: {default})")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which columns of a .csv file are what."""
    group = parser.add_argument_group("columns of a .csv file")
    usual = "(default: %s, where there is one)"
    group.add_argument("--id", metavar="NAME", help=f"of which row a line is {usual % 'id'}")
    group.add_argument("--time", metavar="NAME", help=f"by what its steps are sorted {usual % 'time'}")
    group.add_argument("--target", metavar="NAMES", type=names, help=f"what is to be told {usual % 'target'}")
    group.add_argument("--features", metavar="NAMES", type=names, help="from what (default: all other columns)")


def columns_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the columns that are named, by what they are."""
    found = {what: getattr(arguments, what) for what in ("id", "time", "target", "features")}
    return {what: name for what, name in found.items() if name is not None}


def names(text: str) -> list[str]:
    """Return names between commas."""
    found = [name.strip() for name in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"expected names between commas, got {quoted(text)}")
    return found


def positive_int(text: str) -> int:
    """Return a whole number above 0, which an int of 32 bits holds."""
    value = _whole(text)
    if not 1 <= value <= _MOST:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, and at most {_MOST}, got {quoted(text)}")
    return value


def positive_number(text: str) -> float:
    """Return a finite number above 0."""
    value = _number(text)
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {quoted(text)}")
    return value


def share(text: str) -> float:
    """Return a number from 0 to below 1."""
    value = _number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to below 1, got {quoted(text)}")
    return value


def seed(text: str) -> int:
    """Return a whole number of 0 or more, which an int of 64 bits holds."""
    value = _whole(text)
    if not 0 <= value <= _MOST_SEED:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of 0 or more, and at most {_MOST_SEED}, got {quoted(text)}"
        )
    return value


def steps_or_text(text: str) -> int | str:
    """Return a number of steps, or the text where it is something else."""
    return int(text) if _WHOLE.fullmatch(text) else text


def _whole(text: str) -> int:
    """Return a whole number of a few digits; -1 where it is none."""
    return int(text) if _WHOLE.fullmatch(text) else -1


def _number(text: str) -> float:
    """Return a number; NaN where it is none. Python's own reading takes underscores, and the digits of all scripts."""
    return float(text) if _NUMBER.fullmatch(text) else math.nan
