"""Text that others wrote, made safe to print: nothing in it can steer a terminal, or show it in another order."""

from __future__ import annotations

import unicodedata

__all__ = ["printable", "printable_lines"]

# Joiners, by which words of Persian and Hindi, and many emoji, are written.
_JOINERS = "\u200c\u200d"
# Control characters, among them escape; formats, among them those that turn the direction of what follows; halves of
# characters; separators of lines and paragraphs.
_STEERING = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def printable(text: str) -> str:
    r"""Return text on one line, each character that could steer a terminal written out as Python writes it.

    Examples
    --------
    >>> print(printable("caf\u00e9 \x1b[31mred\x1b[0m \u202egnp.exe"))
    café \x1b[31mred\x1b[0m \u202egnp.exe
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_written(one) if _steers(one) else one for one in text)


def printable_lines(text: str) -> str:
    r"""Return text as `printable` does, with its line breaks.

    Examples
    --------
    >>> print(printable_lines("one\ntwo\rthree"))
    one
    two\rthree
    """
    return "\n".join(map(printable, text.split("\n")))


def _steers(character: str) -> bool:
    return unicodedata.category(character) in _STEERING and character not in _JOINERS


def _written(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
