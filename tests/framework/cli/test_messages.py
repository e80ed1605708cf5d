"""One line of bounded length, whatever is told of; and streams that take none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.cli.messages import complain, discard, one_line, quoted, reason


@pytest.mark.parametrize("text", ["", "a", "a\nb\r\nc\x0bd\u2028e\x85f", "x" * 10**6, "x" * 199 + "\n" * 500, " \n "])
def test_any_text_is_one_line_of_bounded_length(text: str) -> None:
    for most in (9, 10, 200):
        line = one_line(text, most)
        assert len(line.splitlines()) <= 1 and len(line) <= most
    assert one_line("short", 5) == "short"
    assert one_line("abcdefghij", 9) == "abc...hij"


def test_what_is_quoted_shows_no_control_characters() -> None:
    assert quoted("\x1b[31m\n") == r"'\x1b[31m\n'"
    assert len(quoted("9" * 5000)) <= 60


def test_an_error_without_a_message_is_named() -> None:
    assert reason(EOFError()) == "EOFError"
    assert reason(ValueError("a\nb")) == "a b"


def test_complaints_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain("lamina: error: " + "a\n" * 5000)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_stream_that_is_full_takes_nothing_and_harms_nothing() -> None:
    code = "from lamina.cli.messages import complain; complain('no'); complain('one')"
    with open("/dev/full", "w") as full:
        found = subprocess.run([sys.executable, "-c", code], stderr=full, stdout=subprocess.PIPE)
    assert (found.returncode, found.stdout) == (0, b"")


def test_discarding_keeps_no_descriptor(tmp_path: Path) -> None:
    def free() -> int:
        number = os.open(os.devnull, os.O_RDONLY)
        os.close(number)
        return number

    with (tmp_path / "a").open("w") as stream:
        before = free()
        discard(stream)
        assert free() == before
        stream.write("lost")
    assert (tmp_path / "a").read_text() == ""
    discard(None)
