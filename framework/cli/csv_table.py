"""A .csv file as a table of text: its header, which of its columns is what, and its lines."""

from __future__ import annotations

import codecs
import csv
import io
import warnings
from collections import Counter
from typing import Any, BinaryIO

from lamina.cli.memory import require_memory
from lamina.cli.messages import one_line, quoted, reason
from lamina.errors import DataError, LaminaError, MissingPackageError, unknown

__all__ = ["choose_columns", "read_header", "read_table"]

#: What columns are called where an option does not say.
_USUAL = {"id": "id", "time": "time", "target": "target"}
# A header's line is read whole; one of a hundred thousand columns is shorter.
_LONGEST_HEADER = 1 << 22
# What a table takes for each place in it, and for each text beside the text's own length.
_PER_PLACE = 16
_PER_TEXT = 64
# Of each pandas makes an array of its own, which takes a tenth of a millisecond.
_MOST_COLUMNS = 10_000
# Of more columns not all are named where one is not found.
_MOST_NAMED = 100
_BLOCK = 1 << 20


def read_header(file: BinaryIO, source: str) -> list[str]:
    """Return the names of the columns, all different; the file is to be read again.

    Raises
    ------
    DataError
    """
    start = file.read(_LONGEST_HEADER)
    file.seek(0)
    more = len(start) == _LONGEST_HEADER
    if more and b"\n" not in start and b"\r" not in start:
        raise DataError(f"{source!r}, line 1: expected the names of columns, got over {_LONGEST_HEADER} bytes of them")
    try:
        # Where there is more, the last character may be cut.
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start, final=not more)
        header = next(csv.reader(io.StringIO(text, newline="")), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{source!r}: no readable .csv file ({reason(error)})") from error
    if not header or not all(name.strip() for name in header):
        raise DataError(f"{source!r}, line 1: expected a name for each column, got {quoted(','.join(header))}")
    if len(header) > _MOST_COLUMNS:
        told = f"expected at most {_MOST_COLUMNS} columns, got {len(header)}: write so many features as a .npz file"
        raise DataError(f"{source!r}, line 1: {told}")
    (name, count), *_ = Counter(header).most_common(1)
    if count > 1:
        raise DataError(f"{source!r}, line 1: expected columns of different names, got {quoted(name)} twice")
    return header


def choose_columns(
    header: list[str], wanted: dict[str, Any], task: str, source: str, needs_target: bool
) -> dict[str, Any]:
    """Return which column is what; those of a forecast's inputs are its features and its targets.

    Parameters
    ----------
    header : list of str
    wanted, task, source, needs_target : as for `read_csv`

    Raises
    ------
    UnknownNameError, DataError
    """
    there = set(header)

    def known(name: str) -> str:
        if name not in there:
            raise unknown(f"column in {source!r}:", name, header[:_MOST_NAMED])
        return name

    found: dict[str, Any] = {}
    for what in ("id", "time"):
        name = wanted.get(what) or (_USUAL[what] if _USUAL[what] in there else None)
        found[what] = None if name is None else known(name)
    if found["id"] is None and task != "forecast":
        raise DataError(f"{source!r}: no column 'id' that says which row a line is of: name it with --id")
    target = wanted.get("target")
    if target is None:
        target = [_USUAL["target"]] if _USUAL["target"] in there else []
    if not target and task != "forecast" and needs_target:
        raise DataError(f"{source!r}: no column 'target': name it with --target")
    if needs_target or task == "forecast":
        target = [known(name) for name in target]
    if len(target) > 1 and task in ("classify", "tag"):
        raise DataError(f"{source!r}: expected one target for --task {task}, got {one_line(', '.join(target), 60)}")
    features = wanted.get("features")
    taken = {found["id"], found["time"], *target}
    features = [name for name in header if name not in taken] if features is None else list(map(known, features))
    counts = Counter(features)
    twice = [name for name in features if name in taken or counts[name] > 1]
    if twice:
        raise DataError(f"{source!r}: column {quoted(twice[0])} is named twice, as a feature and beside that")
    if not features and not (target and task == "forecast"):
        raise DataError(f"{source!r}: no column is left for the features")
    return {**found, "features": features, "target": target}


def read_table(file: BinaryIO, source: str, header: list[str], memory: int) -> Any:
    """Return the lines as a pandas table of text, without those that are empty; the index counts them from 0.

    Parameters
    ----------
    file : binary file
    source : str
    header : list of str
        The names of its columns.
    memory : int
        How many bytes it may take.

    Raises
    ------
    MissingPackageError, DataError
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingPackageError(
            f"{source!r}: pandas is not installed, which reads .csv files; pip install -e '.[data]' ({error})"
        ) from error
    require_memory(_measure(file, len(header)), memory, repr(source), "its table")
    options: dict[str, Any] = {
        "index_col": False,
        "skip_blank_lines": False,  # the numbers of lines
        "keep_default_na": False,  # a class may be called NA
        "na_values": [""],
        "encoding": "utf-8-sig",
        "low_memory": False,  # in pieces, of which a wide table has as many for each line
        "dtype": str,  # how numbers are read is no business of pandas: each version has its own rounding
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            # The first line alone may have more fields than names, and then each other one would take as many.
            pandas.read_csv(file, nrows=1, **options)
            file.seek(0)
            table = pandas.read_csv(file, **options)
    except (LaminaError, MemoryError):
        raise
    except Exception as error:  # ParserError, a bad character, or whatever junk leads pandas to
        raise DataError(f"{source!r}: no readable .csv file ({reason(error)})") from error
    if list(table.columns) != header:
        raise DataError(f"{source!r}, line 1: expected names of columns without quotes or line breaks in them")
    table = table.dropna(how="all")
    if not len(table):
        raise DataError(f"{source!r}: holds no line below the header")
    return table


def _measure(file: BinaryIO, columns: int) -> int:
    """Return how many bytes a table may take while it is read; the file is to be read again."""
    size = texts = lines = 0
    while block := file.read(_BLOCK):
        breaks = max(block.count(b"\n"), block.count(b"\r"))
        size, lines, texts = size + len(block), lines + breaks, texts + block.count(b",") + breaks
    file.seek(0)
    return 2 * size + _PER_TEXT * (texts + 1) + _PER_PLACE * columns * (lines + 1)
