"""Sequences read from a .csv file in long form: a line for each step of each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lamina.cli.csv_table import choose_columns, read_header, read_table
from lamina.cli.memory import DEFAULT
from lamina.cli.messages import one_line, quoted
from lamina.cli.npz import NumpyArray
from lamina.cli.opening import open_data
from lamina.cli.raw import Raw, RawFile, as_labels, require_padded
from lamina.errors import DataError

__all__ = ["read_csv"]


def read_csv(
    path: Path, source: str, task: str, wanted: dict[str, Any], needs_target: bool = True, memory: int = DEFAULT
) -> RawFile:
    """Return the rows of a .csv file, in the order in which they first occur, each in the order of its times.

    Parameters
    ----------
    path : Path
    source : str
        As the user wrote it, for messages.
    task : {"classify", "tag", "regress", "forecast"}
    wanted : dict
        The columns by what they are: ``id``, ``time``, a list ``features`` and a list ``target``; None, or missing,
        is the usual one.
    needs_target : bool
        Whether a file without the target's column is refused.
    memory : int
        How many bytes its values may take.

    Raises
    ------
    MissingPackageError
        If pandas is not installed.
    UnknownNameError
        If there is no column of a name.
    DataError
        If a line is not as it should be; it is named. If the values take more than ``memory``.
    """
    with open_data(path, source, ".csv") as file:
        header = read_header(file, source)
        columns = choose_columns(header, wanted, task, source, needs_target)
        table = read_table(file, source, header, memory)
    features, targets = columns["features"], columns["target"]
    inputs = [*features, *targets] if task == "forecast" else features
    numbers = list(dict.fromkeys([*inputs, *(targets if needs_target and task == "regress" else [])]))
    lines = table.index.to_numpy() + 2  # the header is line 1
    values = {name: _numbers(table[name], name, lines, source) for name in numbers}
    codes, ids = _rows(table, columns["id"], lines, source)
    order = np.lexsort((_times(table, columns["time"], codes, lines, source), codes))
    codes = codes[order]
    counts = np.bincount(codes)
    first = np.cumsum(counts) - counts
    step = np.arange(len(codes)) - np.repeat(first, counts)
    require_padded(len(ids), int(counts.max()), len(inputs), repr(source), memory)
    x = np.zeros((len(ids), counts.max(), len(inputs)))
    for place, name in enumerate(inputs):
        x[codes, step, place] = values[name][order]
    y: NumpyArray | None = None
    if needs_target and targets and task != "forecast":
        if task == "regress":
            each = [values[name][order] for name in targets]
        else:
            texts = table[targets[0]]
            _require_all(texts, targets[0], lines, source)
            each = [as_labels((str(text).strip() for text in texts), repr(source), memory)[order]]
        if task == "tag":
            y = np.zeros(x.shape[:2], each[0].dtype)
            y[codes, step] = each[0]
        else:
            for name, column in zip(targets, each, strict=True):
                other = column != column[first][codes]
                if other.any():
                    line, row = lines[order][other.argmax()], ids[codes[other.argmax()]]
                    raise DataError(
                        f"{source!r}, line {line}: expected one {quoted(name)} for all steps of row "
                        f"{quoted(row)}, got {quoted(column[other.argmax()].item())}"
                    )
            y = np.stack([column[first] for column in each], axis=1) if task == "regress" else each[0][first]
    lengths = None if (counts == counts[0]).all() else counts
    names = tuple(targets or features) if task in ("regress", "forecast") else ()
    return RawFile(Raw(x, lengths, y, f"{source!r}: {'/'.join(targets)}", ids), columns=columns, targets=names)


def _numbers(column: Any, name: str, lines: NumpyArray, source: str) -> NumpyArray:
    _require_all(column, name, lines, source)
    texts = column.to_numpy(object)
    try:
        # Python's float, which NumPy calls, takes underscores, and the digits of all scripts.
        values: NumpyArray = np.where([_is_plain(text) for text in texts], texts, "").astype(np.float64)
    except ValueError:
        line, text = next((line, text) for line, text in zip(lines, texts, strict=True) if not _is_number(text))
        where = f"{source!r}, line {line}"
        raise DataError(f"{where}: expected a number in column {quoted(name)}, got {quoted(text)}") from None
    wrong = ~np.isfinite(values)
    if wrong.any():
        line, value = lines[wrong.argmax()], values[wrong.argmax()]
        raise DataError(f"{source!r}, line {line}: expected a finite number in column {quoted(name)}, got {value}")
    return values


def _is_plain(text: str) -> bool:
    return text.isascii() and "_" not in text


def _is_number(text: str) -> bool:
    if not _is_plain(text):
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def _require_all(column: Any, name: str, lines: NumpyArray, source: str) -> None:
    missing = column.isna().to_numpy()
    if missing.any():
        raise DataError(f"{source!r}, line {lines[missing.argmax()]}: no value in column {quoted(name)}")


def _rows(table: Any, name: str | None, lines: NumpyArray, source: str) -> tuple[NumpyArray, tuple[str, ...]]:
    """Return of which row each line is, and what the rows are called."""
    if name is None:
        return np.zeros(len(table), np.intp), ("0",)
    _require_all(table[name], name, lines, source)
    codes, ids = table[name].factorize()
    return codes, tuple(str(one) for one in ids)


def _times(table: Any, name: str | None, codes: NumpyArray, lines: NumpyArray, source: str) -> NumpyArray:
    """Return by what the lines of a row are sorted: numbers, or dates."""
    if name is None:
        return np.arange(len(table))
    import pandas

    column = table[name]
    _require_all(column, name, lines, source)
    times = pandas.to_numeric(column, errors="coerce")
    if times.isna().iloc[0]:
        times = pandas.to_datetime(column, errors="coerce", format="ISO8601", utc=True)
    if times.isna().any():
        place = times.isna().to_numpy().argmax()
        raise DataError(
            f"{source!r}, line {lines[place]}: expected numbers, or dates such as 2024-01-31, in column "
            f"{quoted(name)}, got {quoted(column.iloc[place])}"
        )
    values: NumpyArray = times.to_numpy() if times.dtype.kind in "iuf" else times.astype("int64").to_numpy()
    twice = pandas.DataFrame({"row": codes, "time": values}).duplicated().to_numpy()
    if twice.any():
        place = twice.argmax()
        step = f"{one_line(name, 60)} {quoted(column.iloc[place])}"
        raise DataError(f"{source!r}, line {lines[place]}: the row has a step of {step} already")
    return values
