"""Text that nothing steers a terminal with."""

import sys
import unicodedata

import pytest

from lamina.files.printable import printable, printable_lines


def test_no_character_that_steers_is_left() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        found = printable(f"a{character}b")
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and code not in (0x200C, 0x200D):
            assert found.isascii() and found.isprintable()
            assert found[1] == "\\"
        else:
            assert found == f"a{character}b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("\u65e5\u672c \u0639\u0631\u0628", "\u65e5\u672c \u0639\u0631\u0628"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp\u2066\u2069", "\\u202egnp\\u2066\\u2069"),
        ("a\r\nb\x08\t", "a\\r\\nb\\x08\\t"),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_steers_is_written_out(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert printable(expected) == expected


def test_lines_stay_lines() -> None:
    assert printable_lines("a\n\x1b\n\nb\r") == "a\n\\x1b\n\nb\\r"
