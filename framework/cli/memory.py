"""How much memory data may take: counted from what a file says of itself, before any of it is held."""

from __future__ import annotations

import argparse
import re

from lamina.cli.messages import quoted
from lamina.errors import DataError

__all__ = ["DEFAULT", "add_memory", "bytes_text", "memory_size", "require_memory"]

#: What data may take where ``--memory`` does not say: the archives' data sets take less.
DEFAULT = 2 * 10**9
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)(?: ?([kmgt])?b| ?([kmgt]))?", re.IGNORECASE)


def add_memory(parser: argparse.ArgumentParser) -> None:
    """Add ``--memory``."""
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        type=memory_size,
        default=DEFAULT,
        help=f"refuse data that take more, such as 500MB or 8GB (default: {bytes_text(DEFAULT)})",
    )


def memory_size(text: str) -> int:
    """Return the bytes of a size such as ``500MB``, ``1.5 GB`` or ``8G``, of 1000 each.

    Raises
    ------
    argparse.ArgumentTypeError

    Examples
    --------
    >>> memory_size("1.5 GB")
    1500000000
    """
    found = _SIZE.fullmatch(text)
    size = 0 if found is None else int(float(found[1]) * _UNITS[(found[2] or found[3] or "").lower()])
    if not 1 <= size < 10**18:
        raise argparse.ArgumentTypeError(f"expected a size such as 500MB or 8GB, got {quoted(text)}")
    return size


def require_memory(needed: int, limit: int, label: str, what: str = "") -> None:
    """Raise `DataError` where data would take more bytes than they may.

    Parameters
    ----------
    needed, limit : int
    label : str
        Whose they are, for the message.
    what : str
        Which of them, to go on with.
    """
    if needed > limit:
        raise DataError(
            f"{label}: {what or 'its data'} would take {bytes_text(needed)}, more than {bytes_text(limit)}: "
            f"raise it with --memory {bytes_text(needed)}"
        )


def bytes_text(size: int) -> str:
    """Return a number of bytes in the largest unit that it has one of, rounded up, so that as many are enough.

    Examples
    --------
    >>> bytes_text(2_000_000_001), bytes_text(70)
    ('2.1GB', '70B')
    """
    unit = next((unit for unit in "tgmk" if size >= _UNITS[unit]), "")
    if not unit:
        return f"{size}B"
    whole, tenth = divmod(-(-10 * size // _UNITS[unit]), 10)
    return f"{whole}{f'.{tenth}' if tenth else ''}{'k' if unit == 'k' else unit.upper()}B"
