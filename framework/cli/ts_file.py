"""Sequences read from a .ts file, the text format of the UEA and UCR archives (A. Bagnall et al., 2018).

A header of ``@name value`` lines, up to ``@data``; then a row a line: its dimensions, between colons, each its values,
between commas, and last its class label or target, where the header says that there is one. ``#`` starts a comment.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lamina.cli.memory import DEFAULT, require_memory
from lamina.cli.messages import one_line, quoted, reason
from lamina.cli.npz import NumpyArray
from lamina.cli.opening import open_data
from lamina.cli.raw import Raw, RawFile, as_labels, fill
from lamina.errors import DataError

__all__ = ["read_ts"]

_FLAGS = ("timestamps", "missing", "univariate", "equallength", "targetlabel")
_NUMBERS = ("dimension", "dimensions", "serieslength")
# What a line takes while it is read, for each of its bytes: text, fields, and Python's numbers of two bytes each.
_PER_BYTE_OF_A_LINE = 64
# What a row is, beside its values.
_PER_LINE = 400
_BLOCK = 1 << 20
_COUNT = re.compile("[0-9]{1,18}")
_KNOWN = {*_FLAGS, *_NUMBERS, "problemname", "classlabel", "data"}


def read_ts(path: Path, source: str, task: str, memory: int = DEFAULT) -> RawFile:
    """Return the rows of a .ts file.

    Parameters
    ----------
    path : Path
    source : str
        As the user wrote it, for messages.
    task : {"classify", "regress", "forecast"}
        The last is of the series alone.
    memory : int
        How many bytes its rows may take.

    Raises
    ------
    DataError
        If it cannot be read, a line is not as the format and the header say, which is named, or its rows take more
        than that.
    """
    with open_data(path, source, ".ts") as file:
        require_memory(_measure(file), memory, repr(source), "its rows")
        with closing(_content(file, source)) as content:
            return _read(content, source, task, memory)


def _measure(file: BinaryIO) -> int:
    """Return how many bytes a file's rows may take while they are read; it is to be read again."""
    values = lines = place = begin = longest = 0  # begin: where the line that is not at its end yet begins
    while block := file.read(_BLOCK):
        values += block.count(b",") + block.count(b":")
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + place
        if len(ends):
            lines += len(ends)
            longest = max(longest, int(np.diff(ends, prepend=begin).max()))
            begin = int(ends[-1])
        place += len(block)
    file.seek(0)
    return 8 * (values + lines) + _PER_LINE * lines + _PER_BYTE_OF_A_LINE * max(longest, place - begin)


def _content(file: BinaryIO, source: str) -> Generator[tuple[int, str], None, None]:
    """Return the lines that are neither empty nor a comment, with their numbers."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig")
    try:
        for number, line in enumerate(text, 1):
            if (content := line.strip()) and not content.startswith("#"):
                yield number, content
    except UnicodeDecodeError as error:
        raise DataError(f"{source!r}: no readable .ts file ({reason(error)})") from error
    finally:
        text.detach()  # the file is the caller's to close


def _read(content: Iterator[tuple[int, str]], source: str, task: str, memory: int) -> RawFile:
    header = _header(content, source)
    labels = header.get("classlabel", "false").split()
    named, known = labels[0].lower() == "true", set(labels[1:])
    targeted = header.get("targetlabel", "false").lower() == "true"
    if task == "tag" or (task == "classify" and targeted) or (task == "regress" and named):
        has = "class labels" if named else "numbers as targets" if targeted else "no label for each step"
        raise DataError(f"{source!r}: holds {has} of rows, which --task {task} cannot use")
    rows: list[NumpyArray] = []
    targets: list[str] = []
    numbers: list[float] = []
    dimensions = _dimensions(header)
    for number, line in content:
        fields = line.split(":")
        if named or targeted:
            targets.append(fields.pop().strip())
            if targeted:
                numbers.append(_number(targets[-1], f"{source!r}, line {number}"))
            if named and len(labels) > 1 and targets[-1] not in known:
                raise DataError(
                    f"{source!r}, line {number}: expected a label of @classLabel, got {quoted(targets[-1])}"
                )
        row = np.stack(_series(fields, f"{source!r}, line {number}"), axis=1)
        dimensions = dimensions or row.shape[1]
        if row.shape[1] != dimensions:
            raise DataError(f"{source!r}, line {number}: expected {dimensions} dimensions, got {row.shape[1]}")
        steps = int(header.get("serieslength", len(row)))
        if header.get("equallength", "false").lower() == "true" and len(row) != steps:
            raise DataError(f"{source!r}, line {number}: expected {steps} steps, as @seriesLength says, got {len(row)}")
        rows.append(row)
    if not rows:
        raise DataError(f"{source!r}: holds no row after @data")
    y: NumpyArray | None = None
    if targeted:
        y = np.array(numbers)
    elif named:
        y = as_labels(targets, repr(source), memory)
    x, lengths = fill(rows, repr(source), memory)
    return RawFile(Raw(x, lengths, None if task == "forecast" else y, f"{source!r}: labels"), targets=("target",))


def _header(content: Iterator[tuple[int, str]], source: str) -> dict[str, str]:
    header: dict[str, str] = {}
    for number, line in content:
        name, *rest = line.split(None, 1)
        key, value = name[1:].lower(), "".join(rest)
        where = f"{source!r}, line {number}"
        if not name.startswith("@") or key not in _KNOWN:
            raise DataError(f"{where}: expected an @ line of the header such as @data, got {quoted(line[:40])}")
        if key in header:
            raise DataError(f"{where}: {one_line(name, 60)} stands twice")
        if key == "data":
            return header
        if key in _FLAGS and value.lower() not in ("true", "false"):
            raise DataError(f"{where}: expected {name} true or false, got {quoted(value)}")
        if key == "classlabel" and value.split(" ")[0].lower() not in ("true", "false"):
            raise DataError(f"{where}: expected {name} true and the labels, or false, got {quoted(value)}")
        if key in _NUMBERS and not (_COUNT.fullmatch(value) and int(value)):
            raise DataError(f"{where}: expected {name} and a whole number above 0, got {quoted(value)}")
        if key == "timestamps" and value.lower() == "true":
            raise DataError(f"{where}: expected values without time stamps, got {quoted(line)}")
        header[key] = value
    raise DataError(f"{source!r}: no @data line")


def _dimensions(header: dict[str, str]) -> int:
    """Return how many dimensions a row has by the header; 0 where it does not say."""
    if header.get("univariate", "false").lower() == "true":
        return 1
    return int(header.get("dimensions", header.get("dimension", "0")))


def _series(fields: list[str], where: str) -> list[NumpyArray]:
    """Return the dimensions of one row, all of the same number of steps."""
    found = [np.array([_number(text, where) for text in field.split(",")]) for field in fields]
    if not found:
        raise DataError(f"{where}: expected dimensions between colons, and the label last")
    for place, series in enumerate(found):
        if len(series) != len(found[0]):
            raise DataError(
                f"{where}: expected dimensions of as many steps, got {len(found[0])} and, in dimension {place}, "
                f"{len(series)}"
            )
    return found


def _number(text: str, where: str) -> float:
    try:
        # Python's float takes underscores, and the digits of all scripts.
        value = float(text if text.isascii() and "_" not in text else "")
    except ValueError:
        raise DataError(f"{where}: expected numbers between commas, got {quoted(text.strip())}") from None
    if not math.isfinite(value):
        raise DataError(f"{where}: expected finite numbers, got {quoted(text.strip())}")
    return value
