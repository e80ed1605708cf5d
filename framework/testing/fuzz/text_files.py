"""Hostile .csv and .ts files: junk, wrong encodings, numbers that are none, lines and columns beyond reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lamina.testing.fuzz.reading import MEMORY
from lamina.testing.fuzz.reading import outcome as read_outcome

__all__ = ["make", "outcome"]

# Values that a number, a time, an identity or a label may be.
_VALUES = (
    *("", " ", "0", "-1", "1e400", "-1e400", "1e-400", "9" * 400, "9" * 5000, "0." + "0" * 5000 + "1", "nan", "-inf"),
    *("\u0661\u0662", "\u0661.\u0662"),
    *("1_000", "0x10", "1,5", "1;5", "+5", "1e", "--1", "NA", "null", "None", "true", "9" * 20, "1" * 19),
    *('"', '""', '"a', 'a"b', '"a\nb"', "'", "\x00", "a\x00b", "\x1b[31m", "\u202eabc", "é", "\ufeff", "\ud7ff", "🙂"),
    *("2024-01-31", "2024-13-45", "99999-01-01", "0000-00-00", "1e19", "-9e18", "\r", "\t", "\x0b", "\u2028", "#", "@"),
    *("x" * 200_000, "?", ":", "::", "1:2", "@data", "-0", "00", "007", "True", "18446744073709551616", "1e308"),
)
# How many characters a line repeated takes.
_MOST = 4_000_000
_HEADERS = (
    "@dimensions \u0663",
    *("@timeStamps true", "@dimensions " + "9" * 5000, "@dimensions 0", "@seriesLength 99999999999"),
    *("@equalLength true", "@univariate true", "@classLabel", "@classLabel true", "@classLabel false a", "@", "@data"),
    *("@targetLabel true", "@missing true", "@nonsense", "data", "@classLabel true " + " ".join(map(str, range(5000)))),
)


def make(rng: np.random.Generator, kind: str, task: str = "classify") -> bytes:
    """Return the bytes of a file that is sound, or wrong in some ways.

    Parameters
    ----------
    rng : Generator
        The same bytes for the same state.
    kind : {"csv", "ts"}
    task : {"classify", "tag", "regress", "forecast"}
        What a sound file would be for.

    Examples
    --------
    >>> make(np.random.default_rng(1), "ts") == make(np.random.default_rng(1), "ts")
    True
    """
    lines = (_csv if kind == "csv" else _ts)(rng, task)
    for _ in range(int(rng.integers(4))):
        lines = _pick(rng, _LINE_FAULTS)(rng, lines)
    end = _pick(rng, ("\n", "\n", "\r\n", "\r", "\n\n"))
    content = _encoded(rng, end.join(lines) + _pick(rng, ("", end)))
    for _ in range(int(rng.integers(3)) if rng.random() < 0.4 else 0):
        content = _pick(rng, _BYTE_FAULTS)(rng, content)
    return content


def outcome(content: bytes, kind: str, folder: str | Path, task: str = "classify", memory: int = MEMORY) -> str:
    """Return what became of it: see `lamina.testing.fuzz.reading.outcome`."""
    return read_outcome(content, f".{kind}", folder, task, memory)


def _pick(rng: np.random.Generator, among: Any) -> Any:
    return among[int(rng.integers(len(among)))]


def _csv(rng: np.random.Generator, task: str) -> list[str]:
    rows, time, features = (int(size) for size in rng.integers(2, 6, 3))
    columns = ["id", "time", *(f"f{place}" for place in range(features)), "target"]
    lines = [",".join(columns)]
    for row in range(rows):
        for step in range(int(rng.integers(1, time + 1))):
            told = {"classify": "ab"[row % 2], "tag": "abc"[step % 3]}.get(task, str(float(row)))
            lines.append(",".join([str(row), str(step), *map(str, rng.normal(size=features).round(3)), told]))
    return lines


def _ts(rng: np.random.Generator, task: str) -> list[str]:
    rows, time, dimensions = (int(size) for size in rng.integers(2, 6, 3))
    last = {"classify": "@classLabel true a b", "regress": "@targetLabel true"}.get(task, "@classLabel false")
    lines = ["# made at random", "@problemName Hostile", f"@dimensions {dimensions}", last, "@data"]
    for row in range(rows):
        steps = int(rng.integers(1, time + 1))
        series = [",".join(map(str, rng.normal(size=steps).round(3))) for _ in range(dimensions)]
        told = {"classify": ["ab"[row % 2]], "regress": [str(float(row))]}.get(task, [])
        lines.append(":".join([*series, *told]))
    return lines


def _encoded(rng: np.random.Generator, text: str) -> bytes:
    if rng.random() < 0.85:
        return text.encode("utf-8", "surrogatepass")
    return text.encode(_pick(rng, ("utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252", "utf-7")), "replace")


def _value(rng: np.random.Generator, lines: list[str]) -> list[str]:
    """Put another value in some place."""
    at = int(rng.integers(len(lines)))
    mark = ":" if ":" in lines[at] and rng.random() < 0.3 else ","
    fields = lines[at].split(mark)
    fields[int(rng.integers(len(fields)))] = _pick(rng, _VALUES)
    return [*lines[:at], mark.join(fields), *lines[at + 1 :]]


def _more_or_fewer(rng: np.random.Generator, lines: list[str]) -> list[str]:
    """Leave out values of a line, or add some."""
    at = int(rng.integers(len(lines)))
    fields = lines[at].split(",")
    fields = fields[: int(rng.integers(len(fields)))] if rng.random() < 0.5 else [*fields, _pick(rng, _VALUES)]
    return [*lines[:at], ",".join(fields), *lines[at + 1 :]]


def _line(rng: np.random.Generator, lines: list[str]) -> list[str]:
    """Leave out a line, write it twice, or put another in."""
    at = int(rng.integers(len(lines)))
    other = _pick(rng, ((), (lines[at],) * 2, (lines[at], _pick(rng, _VALUES)), (_pick(rng, _HEADERS), lines[at])))
    return [*lines[:at], *other, *lines[at + 1 :]] or [""]


def _wide(rng: np.random.Generator, lines: list[str]) -> list[str]:
    """Have thousands of columns, of which the lines fill some."""
    count = int(_pick(rng, (1000, 5000, 100_000)))
    at = int(rng.integers(len(lines)))
    return [*lines[:at], ",".join([lines[at], *(f"c{place}" for place in range(count))]), *lines[at + 1 :]]


def _long(rng: np.random.Generator, lines: list[str]) -> list[str]:
    """Have a line of a million values, or as many lines, or quotes as deep."""
    at = int(rng.integers(len(lines)))
    count = int(_pick(rng, (1000, 200_000)))
    if rng.random() < 0.3:
        return [*lines, *[lines[-1]] * min(count // 10, _MOST // (len(lines[-1]) + 1))]
    return [*lines[:at], lines[at] + _pick(rng, (",1", '"', ":1", ",", ",,", "x")) * count, *lines[at + 1 :]]


def _uneven(rng: np.random.Generator, lines: list[str]) -> list[str]:
    """Have one long row among thousands of short ones, which would all be as long."""
    if lines[0].startswith("id,"):
        rest = lines[-1].split(",", 2)[-1]
        short = [f"s{row},0,{rest}" for row in range(1000)]
        steps = min(3000, _MOST // (len(rest) + 1))
        return [*lines, *short[:steps], *(f"t,{step},{rest}" for step in range(steps))]
    return [
        *lines,
        *[lines[-1]] * min(1000, _MOST // (len(lines[-1]) + 1)),
        ":".join(",".join(["1"] * 3000) if "," in one else one for one in lines[-1].split(":")),
    ]


def _changed(rng: np.random.Generator, content: bytes) -> bytes:
    """Return bytes of which some are others."""
    found = bytearray(content)
    for _ in range(int(rng.integers(1, 8)) if found else 0):
        found[int(rng.integers(len(found)))] = int(rng.integers(256))
    return bytes(found)


def _inserted(rng: np.random.Generator, content: bytes) -> bytes:
    """Put some bytes in that mean something to a reader of text."""
    at = int(rng.integers(len(content) + 1))
    piece: bytes = _pick(
        rng, (b"\x00", b'"', b"\n", b"\r", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b",", b":", b"\x1a")
    )
    return content[:at] + piece * int(rng.integers(1, 4)) + content[at:]


_LINE_FAULTS: tuple[Callable[[np.random.Generator, list[str]], list[str]], ...] = (
    *(_value, _value, _value, _value, _more_or_fewer, _line, _line, _wide, _long, _uneven),
)
_BYTE_FAULTS: tuple[Callable[[np.random.Generator, bytes], bytes], ...] = (
    *(_changed, _inserted),
    lambda rng, content: content[: int(rng.integers(len(content) + 1))],
    lambda rng, content: rng.bytes(min(len(content), 100_000)),
)
