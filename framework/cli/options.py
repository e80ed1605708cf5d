"""What the commands' arguments have in common: how they are described, and read."""

from __future__ import annotations

import argparse
import math
import textwrap
from collections.abc import Callable
from typing import Any

__all__ = [
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

# Fits a terminal of 80 columns.
_HELP_WIDTH = 79


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
        raise argparse.ArgumentTypeError(f"expected names between commas, got {text!r}")
    return found


def positive_int(text: str) -> int:
    """Return a whole number above 0."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return value


def positive_number(text: str) -> float:
    """Return a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def share(text: str) -> float:
    """Return a number from 0 to below 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to below 1, got {text!r}")
    return value


def seed(text: str) -> int:
    """Return a whole number of 0 or more."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 or more, got {text!r}")
    return value


def steps_or_text(text: str) -> int | str:
    """Return a number of steps, or the text where it is something else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else text
